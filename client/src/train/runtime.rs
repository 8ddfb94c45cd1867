use std::fmt;
use std::str::FromStr;
use std::sync::Once;

use thiserror::Error;

use super::cuda_library;

/// What the bank's configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU if there is one that libtorch can use, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU by number, from 0; an error if it cannot be used.
    Cuda(u8),
}

impl FromStr for DeviceChoice {
    type Err = RuntimeError;

    fn from_str(text: &str) -> Result<Self, RuntimeError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            other => match other.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(index)) => Ok(Self::Cuda(index)),
                _ => Err(RuntimeError::Unknown(other.to_owned())),
            },
        }
    }
}

/// Why libtorch cannot run as the configuration asks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuntimeError {
    /// No such device.
    #[error("device: found {0:?}, expected \"auto\", \"cpu\" or \"cuda:0\"")]
    Unknown(String),
    /// This installation has no CUDA part of libtorch, or its driver is missing.
    #[error(
        "device: \"cuda:{index}\" is set, but libtorch's CUDA part cannot be loaded ({reason}); install the client with \
         the CUDA libraries (scripts/setup-libtorch --cuda) and NVIDIA's driver, or set device = \"cpu\""
    )]
    NoCudaLibrary {
        /// The GPU that was asked for.
        index: u8,
        /// The dynamic linker's words.
        reason: String,
    },
    /// There is no such GPU.
    #[error(
        "device: \"cuda:{index}\" is set, but libtorch sees {found} usable GPUs; look at nvidia-smi and \
         CUDA_VISIBLE_DEVICES, or set another device"
    )]
    NoSuchGpu {
        /// The GPU that was asked for.
        index: u8,
        /// How many there are.
        found: i64,
    },
    /// Threads out of range.
    #[error("threads: {0} is out of range, expected 1..=256")]
    Threads(u16),
}

/// libtorch, ready on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    device: tch::Device,
    threads: u16,
}

impl Runtime {
    /// Finds the device and loads what it needs. Call it before anything else of this crate that computes.
    ///
    /// `threads` for the CPU: 1 is fastest for small models, whose steps are shorter than waking a second thread.
    ///
    /// # Errors
    /// When the device cannot be used, with what to do; `Auto` falls back to the CPU instead.
    pub fn start(choice: DeviceChoice, threads: u16) -> Result<Self, RuntimeError> {
        if !(1..=256).contains(&threads) {
            return Err(RuntimeError::Threads(threads));
        }
        let device = match choice {
            DeviceChoice::Cpu => tch::Device::Cpu,
            DeviceChoice::Auto => match cuda_library::open() {
                Ok(()) if tch::Cuda::is_available() => tch::Device::Cuda(0),
                _ => tch::Device::Cpu,
            },
            DeviceChoice::Cuda(index) => {
                cuda_library::open().map_err(|reason| RuntimeError::NoCudaLibrary { index, reason })?;
                let found = tch::Cuda::device_count();
                if i64::from(index) >= found {
                    return Err(RuntimeError::NoSuchGpu { index, found });
                }
                tch::Device::Cuda(usize::from(index))
            }
        };
        let runtime = Self { device, threads };
        runtime.enter();
        Ok(runtime)
    }

    /// Whether it computes on a GPU.
    pub fn is_gpu(self) -> bool {
        matches!(self.device, tch::Device::Cuda(_))
    }

    pub(crate) fn device(self) -> tch::Device {
        self.device
    }

    /// Sets the number of threads for computations that this thread starts: OpenMP keeps it by thread.
    pub(crate) fn enter(self) {
        // A second call is an error in libtorch. The models here run one operation after another.
        static INTEROP: Once = Once::new();
        INTEROP.call_once(|| {
            tch::set_num_interop_threads(1);
            keep_memory();
        });
        tch::set_num_threads(i32::from(self.threads));
    }

    /// For a thread that fetches while another one computes: on the CPU it computes alone.
    pub(super) fn enter_beside() {
        tch::set_num_threads(1);
    }
}

/// Makes glibc keep the memory of a training step for the next one, up to 62 MiB a thread, instead of giving it back to the
/// system, which clears each page anew: that is a fifth of a step of a convolutional network.
///
/// Freeing a block that has pages of its own makes its size the least one to have them, and twice its size what is kept (see
/// "dynamic mmap threshold" in mallopt(3)). Nobody writes to the block, so it takes no memory.
fn keep_memory() {
    const BLOCK: i64 = 31 << 20;
    // Without it training is slower and no other, so a failure is none of the task's.
    drop(tch::Tensor::f_empty(
        [BLOCK],
        (tch::Kind::Uint8, tch::Device::Cpu),
    ));
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            tch::Device::Cuda(index) => write!(f, "cuda:{index}"),
            _ if self.threads == 1 => f.write_str("cpu, 1 thread"),
            _ => write!(f, "cpu, {} threads", self.threads),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn devices_are_read() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cpu".parse(), Ok(DeviceChoice::Cpu));
        assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(1)));
        for bad in ["gpu", "cuda", "cuda:", "cuda:x", "CPU", "cuda:999"] {
            let error = bad.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("device: found {bad:?}, expected \"auto\"")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_and_auto_does_without() {
        let error = Runtime::start(DeviceChoice::Cuda(200), 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"cuda:200\" is set, but libtorch"), "{error}");
        assert!(Runtime::start(DeviceChoice::Auto, 1).is_ok());
        assert_eq!(
            Runtime::start(DeviceChoice::Cpu, 2).unwrap().to_string(),
            "cpu, 2 threads"
        );
        assert_eq!(
            Runtime::start(DeviceChoice::Cpu, 0),
            Err(RuntimeError::Threads(0))
        );
    }
}

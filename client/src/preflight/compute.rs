//! libtorch and the GPU.

use std::fs;
use std::process::{Command, Stdio};

use veilsum_preflight::{Report, Whose, Wrong};

use crate::app;
use crate::config::Config;
use crate::train::{DeviceChoice, Runtime};

/// The release that the client is built for, as the installer pins it.
const PINNED: &str = include_str!("../../../scripts/libtorch-cpu.txt");

/// Loads libtorch for the configured device. Without it this program would not have started; so what can be wrong is the device.
pub(super) fn libtorch(report: &mut Report, config: &Config) -> Option<Runtime> {
    report.looking("libtorch", &config.compute.device, None);
    let release = PINNED
        .split_once("==")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .unwrap_or("of another release");
    let place = loaded_from("libtorch_cpu.so").unwrap_or("inside this program".to_owned());
    match app::runtime(config) {
        Ok(runtime) => {
            report.ok(
                "libtorch",
                format!("{place}, for release {release}; training on {runtime}"),
            );
            Some(runtime)
        }
        Err(error) => {
            report.fail("libtorch", Whose::Ours, Wrong::told("libtorch", error));
            None
        }
    }
}

/// Where a shared library of this process was found.
fn loaded_from(name: &str) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with(name))?;
    line.find('/').map(|at| line[at..].to_owned())
}

/// The GPU: whether it was asked for, is there, and what its driver says.
pub(super) fn gpu(report: &mut Report, config: &Config, runtime: Option<Runtime>) {
    let asked = config.compute.device.as_str();
    if asked == "cpu" {
        return report.ok("gpu", "not asked for (compute.device is \"cpu\")");
    }
    report.looking("gpu", asked, None);
    let driver = driver();
    match runtime {
        // Told by libtorch's finding, with what to do.
        None => {
            let found = format!("{asked} is asked for and cannot be used; {}", driver.words());
            report.fail("gpu", Whose::Ours, Wrong::new("gpu", found, driver.todo()));
        }
        Some(runtime) if runtime.is_gpu() => report.ok("gpu", format!("{runtime}; {}", driver.words())),
        Some(_) => {
            let reason = Runtime::start(DeviceChoice::Cuda(0), config.compute.threads);
            let reason = reason.err().map_or(String::new(), |error| format!(" ({error})"));
            let found = format!("none that libtorch can use{reason}; {}", driver.words());
            match driver {
                // There is one, and it lies idle.
                Driver::There { .. } => report.warn("gpu", Wrong::new("gpu", found, driver.todo())),
                Driver::None => report.ok(
                    "gpu",
                    format!("{found}; training goes on the CPU, as \"auto\" allows"),
                ),
            }
        }
    }
}

/// NVIDIA's driver on this machine.
enum Driver {
    /// It is loaded.
    There {
        /// Its version.
        version: String,
        /// Name and memory of each GPU, as `nvidia-smi` tells them; empty if that does not run.
        gpus: Vec<String>,
    },
    /// There is none.
    None,
}

impl Driver {
    fn words(&self) -> String {
        match self {
            Self::None => {
                "this machine has no NVIDIA driver loaded (/proc/driver/nvidia is not there)".to_owned()
            }
            Self::There { version, gpus } if gpus.is_empty() => {
                format!("NVIDIA driver {version}; nvidia-smi tells nothing")
            }
            Self::There { version, gpus } => format!("NVIDIA driver {version}: {}", gpus.join("; ")),
        }
    }

    fn todo(&self) -> &'static str {
        match self {
            Self::None => "install NVIDIA's driver, or set compute.device = \"cpu\"",
            Self::There { .. } => {
                "install the client with the CUDA libraries (scripts/setup-libtorch --cuda), let its user and unit open /dev/nvidia*, look at CUDA_VISIBLE_DEVICES; or set compute.device = \"cpu\""
            }
        }
    }
}

fn driver() -> Driver {
    let Ok(text) = fs::read_to_string("/proc/driver/nvidia/version") else {
        return Driver::None;
    };
    let version = version(&text)
        .unwrap_or("of a version that it does not tell")
        .to_owned();
    Driver::There {
        version,
        gpus: asked_of_smi(),
    }
}

/// The version in `NVRM version: NVIDIA UNIX ... Kernel Module  570.86.15  Thu ...`.
fn version(text: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        word.split('.').count() >= 2
            && word
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit()))
    };
    text.lines().next()?.split_whitespace().find(is_version)
}

/// What NVIDIA's own tool says; nothing where it is not installed.
fn asked_of_smi() -> Vec<String> {
    let asked = Command::new("nvidia-smi")
        .args([
            "--query-gpu=index,name,memory.total,memory.free",
            "--format=csv,noheader,nounits",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => gpus(&String::from_utf8_lossy(&output.stdout)),
        _ => Vec::new(),
    }
}

/// `0, NVIDIA H200, 143771, 143161`: number, name, MiB in all and free.
fn gpus(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut cells = line.split(", ");
        let (index, name) = (cells.next()?, cells.next()?);
        let (total, free): (u64, u64) = (
            cells.next()?.trim().parse().ok()?,
            cells.next()?.trim().parse().ok()?,
        );
        Some(format!(
            "cuda:{index} {}, {free} of {total} MiB free",
            crate::peer_text::shown(name)
        ))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_says_is_read() {
        let text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 02:41:38 UTC 2026\nGCC version:  gcc 12.2.0\n";
        assert_eq!(version(text), Some("570.86.15"));
        assert_eq!(version("NVRM version: none\n"), None);
        assert_eq!(
            gpus("0, NVIDIA H200, 143771, 143161\n1, NVIDIA H200, 143771, 12\nnonsense\n"),
            [
                "cuda:0 NVIDIA H200, 143161 of 143771 MiB free",
                "cuda:1 NVIDIA H200, 12 of 143771 MiB free"
            ]
        );
    }
}

#![allow(missing_docs, clippy::unwrap_used)]
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes256, Aes256Enc, Block};
use ring::digest::{Context, SHA256};
use std::hint::black_box;
use std::time::Instant;
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy, SystemEntropy};
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::{Masks, Sign, mask_and_pack};
use veilsum_protocol::secagg::pack;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;

fn best(times: usize, mut f: impl FnMut()) -> f64 {
    (0..times)
        .map(|_| {
            let t = Instant::now();
            f();
            t.elapsed().as_secs_f64()
        })
        .fold(f64::MAX, f64::min)
}

fn main() {
    let aes = Aes256Enc::new(&[7; 32].into());
    let counters: Vec<Block> = (0..512u32)
        .map(|i| {
            let mut b = Block::default();
            b[12..].copy_from_slice(&i.to_be_bytes());
            b
        })
        .collect();
    let mut out = vec![Block::default(); 512];
    let t = best(20, || {
        for _ in 0..2048 {
            aes.encrypt_blocks_b2b(black_box(&counters), black_box(&mut out))
                .unwrap();
        }
    });
    let limit = 2048.0 * 8192.0 / t;
    println!("aes b2b 8K {:.2} GB/s", limit / 1e9);
    let mut buf = vec![0u8; 65536];
    let t = best(20, || {
        for k in 0..256u32 {
            let mut c = [0; 16];
            c[0..4].copy_from_slice(&k.to_be_bytes());
            ctr::Ctr32BE::<Aes256>::new(&[7; 32].into(), &c.into()).apply_keystream(black_box(&mut buf));
        }
    });
    println!("ctr32be 64K {:.2} GB/s", 256.0 * 65536.0 / t / 1e9);
    let t = best(20, || {
        for k in 0..256u32 {
            let mut c = [0; 16];
            c[0..4].copy_from_slice(&k.to_be_bytes());
            ctr::Ctr32LE::<Aes256>::new(&[7; 32].into(), &c.into()).apply_keystream(black_box(&mut buf));
        }
    });
    println!("ctr32le 64K {:.2} GB/s", 256.0 * 65536.0 / t / 1e9);
    let d = 1_000_000usize;
    let (a, mut b) = (vec![1u32; 10 * d], vec![2u32; 10 * d]);
    let plain_add = best(10, || {
        for (x, y) in b.iter_mut().zip(&a) {
            *x = x.wrapping_add(*y);
        }
        black_box(&mut b);
    });
    println!(
        "u32 add 40MB: {:.2} ms per 1e6, {:.2} GB/s of 12 bytes, {:.2} of 4",
        plain_add * 1e2,
        120e6 / plain_add / 1e9,
        40e6 / plain_add / 1e9
    );
    let data = vec![5u8; 4_000_000];
    let sha = best(10, || {
        let mut c = Context::new(&SHA256);
        c.update(&data);
        black_box(c.finish());
    });
    println!("sha256 {:.2} GB/s", 4e6 / sha / 1e9);

    for banks in [5u16, 16, 100] {
        let ring = Ring::for_sum(banks, 16).unwrap();
        let mut entropy = SeededEntropy::new(1);
        let mut masks = Masks::new(ring);
        for i in 0..banks {
            masks.push(
                &entropy.secret(),
                if i % 2 == 0 { Sign::Plus } else { Sign::Minus },
            );
        }
        let mut lanes = vec![7u32; ring.chunk_lanes()];
        let n = d / ring.chunk_lanes();
        let t = best(10, || {
            for k in 0..n {
                masks.apply(k as u64, black_box(&mut lanes));
            }
        });
        let bytes = (n * 65536 * banks as usize) as f64;
        println!(
            "n={banks} masks only: {:.2} GB/s ratio {:.2}",
            bytes / t / 1e9,
            bytes / t / limit
        );
        let values: Vec<f32> = (0..d)
            .map(|i| ((i * 7919) % 20011) as f32 / 10005.5 - 1.0)
            .collect();
        let mut digits = Digits::with_capacity(16, d);
        let mut system = SystemEntropy::new();
        let tq = best(5, || {
            digits = Digits::with_capacity(16, d);
            digits.push_reals(&values, 1.0, 0.5, &mut system).unwrap();
        });
        let mut packed = Vec::with_capacity(ring.packed_bytes(d));
        let tp = best(10, || {
            packed.clear();
            pack::pack(ring, digits.lanes(), &mut packed);
        });
        let mut sum = vec![0u32; d];
        let tu = best(10, || {
            let mut i = sum.iter_mut();
            pack::unpack(ring, &packed, d, |l| *i.next().unwrap() += l).unwrap();
        });
        let mut acc = Accumulator::new(ring, d);
        let tf = best(10, || {
            acc.add(&packed).unwrap();
        });
        let mut c = Context::new(&SHA256);
        let tm = best(10, || {
            mask_and_pack::<()>(&masks, &digits, |p| {
                c.update(p);
                Ok(())
            })
            .unwrap()
        });
        let need = 4e6 * banks as f64 / limit;
        println!(
            "  per 1e6: quantise {:.2} ms pack {:.2} ms unpack-add {:.2} fold {:.2} (plain add {:.2}, ratio {:.2}) mask+pack+hash {:.2} ms; need {:.2} ms ratio {:.2}; with quantise {:.2}",
            tq * 1e3,
            tp * 1e3,
            tu * 1e3,
            tf * 1e3,
            plain_add * 1e2,
            plain_add / 10.0 / tf,
            tm * 1e3,
            need * 1e3,
            need / tm,
            need / (tm + tq)
        );
    }
}

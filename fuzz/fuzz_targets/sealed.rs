#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| veilsum_tests::hostile::group("sealed").try_all(bytes));

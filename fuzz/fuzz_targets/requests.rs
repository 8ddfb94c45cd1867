#![no_main]

//! The body of a request for scores, in JSON and in binary form: it takes a few times its own memory, and is the same when it is written again.

#[path = "../../protocol/tests/hostile/counting.rs"]
mod counting;
#[path = "../../serving/tests/hostile/rewritten.rs"]
mod rewritten;

use veilsum_serving::read_request;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((head, body)) = rewritten::framed(bytes) {
        let (read, peak) = counting::peak_of(|| read_request(body, head, rewritten::LIMITS));
        let most = rewritten::most_bytes(body.len());
        assert!(
            peak <= most,
            "{peak} bytes of memory for {}, expected at most {most}",
            body.len()
        );
        drop(read);
    }
    rewritten::try_all(bytes);
});

#![no_main]

//! A bank's file of images or labels. The reader stands in the client, which needs libtorch; the format is a file of its own.

#[allow(dead_code, reason = "the client tells faults in words")]
#[path = "../../client/src/data/source/idx/items.rs"]
mod items;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(mut read) = items::Items::new(bytes) else {
        return;
    };
    let expected: Option<usize> = read.shape().iter().try_fold(1_usize, |length, size| {
        length.checked_mul(usize::try_from(*size).ok()?)
    });
    let mut taken = 0;
    loop {
        match read.read() {
            Ok(Some(item)) => {
                assert_eq!(Some(item.len()), expected);
                taken += item.len();
            }
            Ok(None) => {
                // Every byte is of the header or of an item.
                assert_eq!(taken + 8 + 4 * read.shape().len(), bytes.len());
                assert_eq!(read.position(), read.count());
                return;
            }
            Err(_) => return,
        }
    }
});

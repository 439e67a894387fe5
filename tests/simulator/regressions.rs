//! Seeds that once failed, each with what it found.

use crate::{assert_clean, run};

/// A seed, and what it found.
const ONCE_FAILED: [(u64, &str); 2] = [
    (29, "a listener that died left a dead letter that was neither published nor said to be unpublishable"),
    (34, "the same, after a death in the writer"),
];

#[test]
fn what_once_failed_does_not_fail_again() {
    for (seed, found) in ONCE_FAILED {
        println!("seed {seed}: {found}");
        assert_clean(seed, &run(seed, None).violations);
    }
}

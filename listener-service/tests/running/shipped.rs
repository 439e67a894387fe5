//! What a build of the program contains: without the feature `failpoints`, nothing that a test could break it by.

use crate::PROGRAM;

/// What only the feature brings. Two points are named by a word that the product has too.
const TELLTALES: [&str; 10] = [
    "writer-begin",
    "writer-between",
    "writer-positioned",
    "writer-committed",
    "projector-call",
    "publisher-dead-letter",
    "lease-taking",
    "FAILPOINT",
    "plant-drop-event",
    "PLANT",
];

#[test]
fn the_program_has_failpoints_only_with_their_feature() {
    let program = std::fs::read(PROGRAM).expect("readable");
    let program = String::from_utf8_lossy(&program);
    let holds = |text: &str| program.contains(text);
    assert!(holds("LISTENER_PORT"), "texts are found at all");
    for telltale in TELLTALES {
        assert_eq!(holds(telltale), cfg!(feature = "failpoints"), "{telltale}");
    }
}

//! What is shipped holds nothing that a test breaks it by (docs/adr/0014).

use testkit::binaries::binary;

/// Of the feature `failpoints`: the variable that arms a point, and a point.
const TELLTALES: [&str; 2] = ["FAILPOINT", "writer-positioned"];

#[test]
fn no_program_that_is_shipped_has_failpoints() {
    for name in ["inventory", "listener-service"] {
        let program = std::fs::read(binary(name)).expect("readable");
        let program = String::from_utf8_lossy(&program);
        let holds = |text: &str| program.contains(text);
        assert!(holds("LISTENER_PORT"), "{name}: texts are found at all");
        assert_eq!(TELLTALES.map(holds), [false; 2], "{name}");
    }
}

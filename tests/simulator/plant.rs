//! Faults of our own making, each of which a checker must catch.

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A fact in every so many is acknowledged and not written to its topic.
    DropEvent,
    /// A dead letter is written twice, the second time under another id.
    DeadLetterTwice,
    /// An item's document is written as it was before.
    OlderDocument,
    /// An outcome is forgotten, and its command comes again.
    ApplyTwice,
    /// The position is set to the log's end at a start.
    SkipPosition,
    /// The position goes back when all is done.
    RewindPosition,
    /// A guard of the cache is not looked at, so that a late call overwrites what came after it.
    UnguardedCache,
}

//! Each checker catches what it is for: a fault that is planted is found within a few seeds.

use crate::plant::Plant;
use crate::world::run;

const SEEDS: u64 = 20;

/// What is told of the plant, in the first seed that catches it.
#[track_caller]
fn caught(plant: Plant, by: &str) {
    let mut told = Vec::new();
    for seed in 1..=SEEDS {
        told = run(seed, Some(plant)).violations;
        if told.iter().any(|text| text.contains(by)) {
            return;
        }
    }
    panic!("{plant:?} was not caught within {SEEDS} seeds by {by:?}: {told:?}");
}

#[test]
fn a_fact_that_never_reaches_its_topic_is_caught() {
    caught(Plant::DropEvent, "is on none");
}

#[test]
fn a_dead_letter_that_is_published_under_two_ids_is_caught() {
    caught(Plant::DeadLetterTwice, "the database has none");
}

#[test]
fn a_document_that_is_older_than_the_database_is_caught() {
    caught(Plant::OlderDocument, "cache: ");
}

#[test]
fn a_command_that_takes_effect_twice_is_caught() {
    caught(Plant::ApplyTwice, "twice: ");
}

#[test]
fn a_position_that_passes_over_commands_is_caught() {
    caught(Plant::SkipPosition, "lost: ");
}

#[test]
fn a_position_that_goes_back_is_caught() {
    caught(Plant::RewindPosition, "position: ");
}

#[test]
fn a_late_call_that_overwrites_what_came_after_it_is_caught() {
    caught(Plant::UnguardedCache, "went back from");
}

//! docs/OPERATIONS.md and `.env.example`: every setting with its default, and no other.

use clap::CommandFactory;
use inventory::settings::Program;

use crate::assert_same;
use crate::markdown::{rows, section};

const PAGE: &str = include_str!("../../docs/OPERATIONS.md");
const EXAMPLE: &str = include_str!("../../.env.example");

/// Those of the all-in-one program, and what only the listener by itself has.
fn settings() -> Vec<[String; 3]> {
    let mut all = settings_of(&Program::command());
    let of_listener = settings_of(&listener_service::config::Program::command());
    let only_there = of_listener.into_iter().filter(|setting| !all.contains(setting)).collect::<Vec<_>>();
    all.extend(only_there);
    all
}

/// Flag, variable and default of each; `–` for what it does not have.
fn settings_of(command: &clap::Command) -> Vec<[String; 3]> {
    let none = || "–".to_owned();
    let arguments =
        command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()));
    arguments
        .filter(|argument| !argument.is_positional())
        .map(|argument| {
            let flag = format!("--{}", argument.get_long().expect("every setting has a flag"));
            let variable = argument.get_env().map_or_else(none, |name| name.to_string_lossy().into_owned());
            let default = argument.get_default_values().first().filter(|_| argument.get_action().takes_values());
            [flag, variable, default.map_or_else(none, |value| value.to_string_lossy().into_owned())]
        })
        .collect()
}

#[test]
fn every_setting_is_there_with_its_default() {
    let page: Vec<[String; 3]> = rows(section(PAGE, "## Settings"))
        .into_iter()
        .map(|cells| [cells[0].clone(), cells[1].clone(), cells[2].clone()])
        .collect();
    assert_same("docs/OPERATIONS.md, Settings", &page, &settings());
}

#[test]
fn every_option_of_the_import_is_there_with_its_default() {
    let program = Program::command();
    let import = program.find_subcommand("import").expect("a subcommand");
    let page: Vec<[String; 2]> = rows(section(PAGE, "## Import"))
        .into_iter()
        .filter(|cells| cells[0].starts_with("--"))
        .map(|cells| [cells[0].clone(), cells[1].clone()])
        .collect();
    let code: Vec<[String; 2]> = settings_of(import)
        .into_iter()
        .map(|[flag, variable, default]| {
            assert_eq!(variable, "–", "{flag} has no column for a variable");
            [flag, default]
        })
        .collect();
    assert_same("docs/OPERATIONS.md, Import", &page, &code);
}

#[test]
fn the_listener_alone_goes_down() {
    let only_there: Vec<_> = settings_of(&listener_service::config::Program::command())
        .into_iter()
        .filter(|setting| !settings_of(&Program::command()).contains(setting))
        .collect();
    assert_eq!(only_there, [["--go-down-to", "–", "–"].map(str::to_owned)]);
}

#[test]
fn a_service_alone_has_no_other_settings() {
    let all = settings();
    for command in [
        command_service::Program::command(),
        query_service::Program::command(),
        listener_service::config::Program::command(),
    ] {
        for setting in settings_of(&command) {
            // Without it query-service reads from Redis, so there it has no default.
            let is_known = all.contains(&setting) || setting[1..] == ["SQLITE_PATH", "–"];
            assert!(is_known, "{}: {setting:?}", command.get_name());
        }
    }
}

#[test]
fn the_example_has_every_variable_and_its_default() {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let assigned = EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let example: Vec<(&str, &str)> = assigned.filter(|(name, _)| is_name(name)).collect();
    let settings = settings();
    let with_variable: Vec<&[String; 3]> = settings.iter().filter(|[_, variable, _]| variable != "–").collect();
    let names: Vec<&str> = example.iter().map(|(name, _)| *name).collect();
    let variables: Vec<&str> = with_variable.iter().map(|[_, variable, _]| variable.as_str()).collect();
    assert_same(".env.example", &names, &variables);
    for [_, variable, default] in with_variable {
        if default != "–" {
            assert!(example.contains(&(variable, default)), ".env.example: the default of {variable} is {default}");
        }
    }
}

#[test]
fn the_pages_that_messages_name_are_there() {
    section(PAGE, "## Another log");
    section(PAGE, "## Position outside the log");
    section(PAGE, "## Schema versions");
}

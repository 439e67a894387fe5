//! Whether a trace of the writer keeps the order: written, committed, synchronised, and only then told.
//!
//! What is looked for are marks: a text that names one command, and `"sequence":n`, which every fact of the journal has. A
//! mark becomes known by the page that first has it in the write-ahead log. It is safe once the file was synchronised from
//! a moment on at which the commit of that page was written whole. Before that no socket may see it.

use std::collections::{BTreeMap, BTreeSet};

use super::trace::{Call, Event};

/// A command's own text is this, and digits.
pub(super) const MARK: &str = "mark-";
const SEQUENCE: &str = "\"sequence\":";
/// A frame's header (<https://sqlite.org/fileformat2.html#walformat>). That of a commit has the database's size in it.
const FRAME_HEADER: usize = 24;
const LOG_HEADER: usize = 32;

/// What names something that is to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Command(u64),
    Sequence(u64),
}

/// What a thread is doing.
enum Doing {
    Page,
    /// The log held so many whole commits when it began.
    Sync(u64),
}

/// Reads a trace, event by event.
#[derive(Default)]
pub(super) struct Order {
    /// Where the sockets lead to, by a port at one of their ends.
    places: Vec<(&'static str, u16)>,
    doing: BTreeMap<String, Doing>,
    /// The next page ends a commit.
    ends_commit: bool,
    /// Written whole.
    commits: u64,
    /// Of these, on the disk.
    safe: u64,
    /// Each mark, with the commit that first has it.
    pub(super) known: BTreeMap<Mark, u64>,
    /// What each place was told.
    pub(super) told: BTreeMap<&'static str, BTreeSet<Mark>>,
    pub(super) violations: Vec<String>,
}

impl Order {
    pub(super) fn between(places: &[(&'static str, u16)]) -> Self {
        Self { places: places.to_vec(), ..Self::default() }
    }

    pub(super) fn follow(&mut self, event: &Event<'_>) {
        match event {
            Event::Begun(call) if call.target.ends_with("-wal") => self.log(call),
            Event::Begun(call) if is_socket(call.target) => self.tell(call),
            Event::Begun(_) => {}
            Event::Ended { thread, result } => self.end(thread, *result),
        }
    }

    /// How many commits had a command's mark in them.
    pub(super) fn marked_commits(&self) -> usize {
        let commands = self.known.iter().filter(|(mark, _)| matches!(mark, Mark::Command(_)));
        commands.map(|(_, commit)| commit).collect::<BTreeSet<_>>().len()
    }

    fn log(&mut self, call: &Call<'_>) {
        self.hold_whole(call);
        let doing = match (call.name, call.bytes.len()) {
            ("fdatasync" | "fsync", _) => Doing::Sync(self.commits),
            (_, FRAME_HEADER) => {
                self.ends_commit = call.bytes[4..8] != [0; 4];
                return;
            }
            (_, LOG_HEADER) => return,
            _ => {
                for mark in marks(&call.bytes) {
                    self.known.entry(mark).or_insert(self.commits + 1);
                }
                Doing::Page
            }
        };
        self.doing.insert(call.thread.to_owned(), doing);
    }

    fn end(&mut self, thread: &str, result: Option<i64>) {
        match self.doing.remove(thread) {
            Some(Doing::Page) if self.ends_commit && result.is_some_and(|written| written > 0) => {
                self.ends_commit = false;
                self.commits += 1;
            }
            Some(Doing::Sync(commits)) if result == Some(0) => self.safe = self.safe.max(commits),
            Some(Doing::Page | Doing::Sync(_)) | None => {}
        }
    }

    fn tell(&mut self, call: &Call<'_>) {
        self.hold_whole(call);
        let place =
            self.places.iter().find(|(_, port)| has_port(call.target, *port)).map_or("elsewhere", |place| place.0);
        for mark in marks(&call.bytes) {
            let fault = match self.known.get(&mark) {
                None => Some("before it was written"),
                Some(commit) if *commit > self.commits => Some("before its commit was written"),
                Some(commit) if *commit > self.safe => Some("before that was synchronised"),
                Some(_) => None,
            };
            self.violations.extend(fault.map(|fault| format!("{mark:?} was told to {place} {fault}")));
            self.told.entry(place).or_default().insert(mark);
        }
    }

    fn hold_whole(&mut self, call: &Call<'_>) {
        if call.is_cut {
            self.violations.push(format!("{} on {} is cut short in the trace", call.name, call.target));
        }
    }
}

fn is_socket(target: &str) -> bool {
    ["TCP:", "TCPv6:", "socket:"].iter().any(|kind| target.starts_with(kind))
}

fn has_port(target: &str, port: u16) -> bool {
    target.contains(&format!(":{port}->")) || target.contains(&format!(":{port}]"))
}

/// Every mark in these bytes. There is nothing before the first fact.
fn marks(bytes: &[u8]) -> Vec<Mark> {
    let text = String::from_utf8_lossy(bytes);
    let numbers = |prefix: &'static str| {
        text.match_indices(prefix).filter_map(|(at, _)| {
            let digits: &str = &text[at + prefix.len()..];
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse::<u64>().ok()
        })
    };
    let sequences = numbers(SEQUENCE).filter(|sequence| *sequence > 0).map(Mark::Sequence);
    numbers(MARK).map(Mark::Command).chain(sequences).collect()
}

#[cfg(test)]
mod tests {
    use super::super::trace::events;
    use super::*;

    const FRAME: &str = r#"1 pwrite64(5</d/x-wal>, "\0\0\0\2\0\0\0\0aaaabbbbccccdddd", 24, 32) = 24"#;
    const COMMIT_FRAME: &str = r#"1 pwrite64(5</d/x-wal>, "\0\0\0\2\0\0\0\7aaaabbbbccccdddd", 24, 32) = 24"#;
    const PAGE: &str = r#"1 pwrite64(5</d/x-wal>, "\r\0{\"sequence\":41,\"customerId\":\"mark-7\"}", 4096, 56) = 4096"#;
    const OTHER_PAGE: &str = r#"1 pwrite64(5</d/x-wal>, "\r\0\0", 4096, 4200) = 4096"#;
    const SYNC: &str = "1 fdatasync(5</d/x-wal>) = 0";
    const REDIS: &str = r#"2 sendto(8<TCP:[127.0.0.1:5->127.0.0.1:6379]>, "*3\r\nEVALSHA mark-7", 9, 0, NULL, 0) = 9"#;
    const KAFKA: &str = r#"3 sendmsg(9<TCP:[127.0.0.1:6->127.0.0.1:9092]>, {msg_iov=[{iov_base="ma", iov_len=2}, {iov_base="rk-7", iov_len=4}]}, 0) = 6"#;
    const ANSWER: &str = r#"4 writev(10<TCP:[127.0.0.1:8082->127.0.0.1:7]>, [{iov_base="HTTP/1.1 200 OK\r\n\r\n{\"sequence\":41}", iov_len=30}], 1) = 30"#;

    fn read(lines: &[&str]) -> Order {
        let mut order = Order::between(&[("Redis", 6379), ("Kafka", 9092), ("HTTP", 8082)]);
        lines.iter().flat_map(|line| events(line)).for_each(|event| order.follow(&event));
        order
    }

    fn red(lines: &[&str], says: &str) {
        let found = read(lines).violations;
        assert!(found.iter().any(|found| found.contains(says)), "{lines:#?}: {found:?}");
    }

    #[test]
    fn what_is_written_then_synchronised_then_told_is_in_order() {
        let order = read(&[FRAME, PAGE, COMMIT_FRAME, OTHER_PAGE, SYNC, REDIS, KAFKA, ANSWER]);
        assert_eq!(order.violations, [""; 0]);
        assert_eq!(order.known, BTreeMap::from([(Mark::Command(7), 1), (Mark::Sequence(41), 1)]));
        assert_eq!(order.told["Redis"], BTreeSet::from([Mark::Command(7)]));
        assert_eq!(order.told["Kafka"], BTreeSet::from([Mark::Command(7)]));
        assert_eq!(order.told["HTTP"], BTreeSet::from([Mark::Sequence(41)]));
        assert_eq!(order.marked_commits(), 1);
    }

    #[test]
    fn whoever_is_told_before_the_synchronisation_is_found() {
        let written = [FRAME, PAGE, COMMIT_FRAME, OTHER_PAGE];
        for (told, place) in [(REDIS, "Redis"), (KAFKA, "Kafka"), (ANSWER, "HTTP")] {
            let lines = [&written[..], &[told, SYNC]].concat();
            red(&lines, &format!("told to {place} before that was synchronised"));
        }
        red(&[REDIS], "before it was written");
        red(&[FRAME, PAGE, REDIS], "before its commit was written");
    }

    #[test]
    fn only_a_synchronisation_that_begins_after_the_commit_and_succeeds_counts() {
        let told_after = |sync: &[&'static str]| [&[FRAME, PAGE, COMMIT_FRAME, OTHER_PAGE], sync, &[REDIS]].concat();
        let says = "before that was synchronised";
        red(&[FRAME, PAGE, SYNC, COMMIT_FRAME, OTHER_PAGE, REDIS], says);
        red(&told_after(&["1 fdatasync(5</d/x-wal>) = -1 EIO (Input/output error)"]), says);
        red(&told_after(&["1 fdatasync(5</d/x-wal> <unfinished ...>"]), says);
        red(&told_after(&["1 fdatasync(6</d/x>) = 0"]), says);
        let begun = "1 fdatasync(5</d/x-wal> <unfinished ...>";
        let ended = "1 <... fdatasync resumed>) = 0";
        assert_eq!(read(&told_after(&[begun, ended])).violations, [""; 0]);
        let by_another = "2 fdatasync(5</d/x-wal> <unfinished ...>";
        let lines = [by_another, FRAME, PAGE, COMMIT_FRAME, OTHER_PAGE, "2 <... fdatasync resumed>) = 0", REDIS];
        red(&lines, says);
    }

    #[test]
    fn a_commit_that_was_not_written_whole_is_none() {
        let failed = r#"1 pwrite64(5</d/x-wal>, "\r\0\0", 4096, 4200) = -1 ENOSPC (No space left on device)"#;
        red(&[FRAME, PAGE, COMMIT_FRAME, failed, SYNC, REDIS], "before its commit was written");
    }

    #[test]
    fn a_trace_that_is_cut_short_proves_nothing() {
        let cut = r#"2 sendto(8<TCP:[127.0.0.1:5->127.0.0.1:6379]>, "*3"..., 900000, 0, NULL, 0) = 900000"#;
        red(&[cut], "cut short");
    }

    #[test]
    fn a_second_commit_needs_a_second_synchronisation() {
        let second = r#"1 pwrite64(5</d/x-wal>, "mark-7 mark-8", 4096, 56) = 4096"#;
        let tells = r#"2 sendto(8<TCP:[127.0.0.1:5->127.0.0.1:6379]>, "mark-8", 9, 0, NULL, 0) = 9"#;
        let first = [FRAME, PAGE, COMMIT_FRAME, OTHER_PAGE, SYNC];
        red(&[&first[..], &[COMMIT_FRAME, second, REDIS, tells]].concat(), "Command(8) was told to Redis before that");
        let order = read(&[&first[..], &[COMMIT_FRAME, second, REDIS, SYNC, tells]].concat());
        assert_eq!((order.violations, order.safe), (Vec::new(), 2));
    }
}

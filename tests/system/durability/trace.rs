//! What `strace -f -yy` writes, a line at a time: which thread begins which call on what, and what the call gave.
//!
//! A call is in the trace before it is carried out, and its result after that. So if a result is written before a call,
//! then that call was carried out after the other one.

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    Begun(Call<'a>),
    /// The call that this thread had begun, with what it gave.
    Ended {
        thread: &'a str,
        result: Option<i64>,
    },
}

/// A call that begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call<'a> {
    pub(super) thread: &'a str,
    pub(super) name: &'a str,
    /// The path of the file, or both ends of the socket.
    pub(super) target: &'a str,
    /// All that it would write.
    pub(super) bytes: Vec<u8>,
    /// There was more than the trace has.
    pub(super) is_cut: bool,
}

const UNFINISHED: &str = "<unfinished ...>";

/// What a line says: nothing, of signals and ends of threads; or a beginning, an end, or both.
pub(super) fn events(line: &str) -> Vec<Event<'_>> {
    let Some((thread, rest)) = line.split_once(' ') else { return Vec::new() };
    let rest = rest.trim_start();
    if rest.starts_with("<... ") {
        return vec![Event::Ended { thread, result: result(rest) }];
    }
    let mut events: Vec<Event<'_>> = begun(thread, rest).map(Event::Begun).into_iter().collect();
    if !events.is_empty() && !rest.ends_with(UNFINISHED) {
        events.push(Event::Ended { thread, result: result(rest) });
    }
    events
}

/// Behind the last `=`; a call that failed has its error behind the number.
fn result(rest: &str) -> Option<i64> {
    rest.rsplit_once(" = ")?.1.split_whitespace().next()?.parse().ok()
}

fn begun<'a>(thread: &'a str, rest: &'a str) -> Option<Call<'a>> {
    let (name, arguments) = rest.split_once('(').filter(|(name, _)| name.bytes().all(|c| c.is_ascii_alphanumeric()))?;
    let (_, described) = arguments.split_once('<')?;
    // The ends of a socket have a `->` between them.
    let end = [">,", ">)", "> <"].into_iter().filter_map(|end| described.find(end)).min()?;
    let (target, written) = described.split_at(end);
    let (bytes, is_cut) = strings(written);
    Some(Call { thread, name, target, bytes, is_cut })
}

/// What is between quotes, one behind the other: several are the parts of one message.
fn strings(text: &str) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut is_cut = false;
    let mut rest = text.as_bytes();
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        rest = string(&rest[start + 1..], &mut bytes);
        is_cut |= rest.starts_with(b"...");
    }
    (bytes, is_cut)
}

/// One string without its escapes, which are those of C; returns what is behind it.
fn string<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    loop {
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
        bytes.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        match rest {
            [b'\\', digits @ ..] if digits.first().is_some_and(|digit| is_octal(*digit)) => {
                let count = digits.iter().take(3).take_while(|digit| is_octal(**digit)).count();
                let value = digits[..count].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                bytes.push(u8::try_from(value).expect("three digits of a byte"));
                rest = &digits[count..];
            }
            [b'\\', letter, behind @ ..] => {
                bytes.push(control(*letter));
                rest = behind;
            }
            [_, behind @ ..] => return behind,
            [] => return rest,
        }
    }
}

fn is_octal(byte: u8) -> bool {
    (b'0'..=b'7').contains(&byte)
}

fn control(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'f' => 0x0c,
        itself => itself,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(name: &'a str, target: &'a str, bytes: &[u8]) -> Event<'a> {
        Event::Begun(Call { thread: "7", name, target, bytes: bytes.to_vec(), is_cut: false })
    }

    #[test]
    fn a_call_that_is_not_interrupted_begins_and_ends() {
        let ended = |result| Event::Ended { thread: "7", result: Some(result) };
        let line = r#"7 pwrite64(5</d/x-wal>, "h\t\v\f\r\0337\0\"\\\1a", 12, 10) = 12"#;
        assert_eq!(events(line), [call("pwrite64", "/d/x-wal", b"h\t\x0b\x0c\r\x1b7\0\"\\\x01a"), ended(12)]);
        let line = "7 fsync(6</d/x-wal>)     = -1 EIO (Input/output error)";
        assert_eq!(events(line), [call("fsync", "/d/x-wal", b""), ended(-1)]);
        let line = "7 sendmsg(4<TCP:[127.0.0.1:58->127.0.0.1:53]>, {msg_name=NULL, msg_namelen=0, \
            msg_iov=[{iov_base=\"ab = \", iov_len=2}, {iov_base=\"c\\377\", iov_len=2}], msg_iovlen=2}, 0) = 4";
        assert_eq!(events(line), [call("sendmsg", "TCP:[127.0.0.1:58->127.0.0.1:53]", b"ab = c\xff"), ended(4)]);
    }

    #[test]
    fn one_that_is_interrupted_ends_on_a_line_of_its_own() {
        let begun = call("fdatasync", "/d/x-wal", b"");
        assert_eq!(events("7 fdatasync(5</d/x-wal> <unfinished ...>"), [begun]);
        let ended = Event::Ended { thread: "7", result: Some(0) };
        assert_eq!(events("7 <... fdatasync resumed>)       = 0"), [ended]);
    }

    #[test]
    fn what_is_no_call_on_a_file_is_nothing_and_what_is_cut_short_is_known() {
        for line in
            ["7 +++ exited with 0 +++", "7 --- SIGCHLD {si_signo=SIGCHLD} ---", "", "7 write(-1, \"\", 0) = -1 EBADF"]
        {
            assert_eq!(events(line), []);
        }
        let cut = events(r#"7 write(1<pipe:[5]>, "abc"..., 4000) = 4000"#);
        assert!(matches!(&cut[0], Event::Begun(call) if call.is_cut && call.bytes == b"abc"), "{cut:?}");
    }
}

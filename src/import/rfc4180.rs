//! Whether quotes and line ends are as RFC 4180 has them. The reader of the rows would take what is not: a quote that is
//! never closed makes one cell of all rows after it, and a carriage return alone ends a row but no line.

/// Where in a record.
#[derive(Clone, Copy)]
enum Place {
    FieldStart,
    Unquoted,
    /// In a field whose quote is on this line.
    Quoted(u64),
    /// After a quote in such a field: its end, or the first half of a quote.
    QuoteInQuoted(u64),
}

/// An error names the first line at fault, and what to do.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut place = Place::FieldStart;
    let mut line = 1;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        place = match (place, byte) {
            (Place::Quoted(since), b'"') => Place::QuoteInQuoted(since),
            (Place::Quoted(since), _) | (Place::QuoteInQuoted(since), b'"') => Place::Quoted(since),
            (_, b',' | b'\n') => Place::FieldStart,
            (_, b'\r') if bytes.peek() == Some(&b'\n') => place,
            (_, b'\r') => return Err(lone_carriage_return(line)),
            (Place::QuoteInQuoted(since), _) => return Err(text_after_quotes(line, since)),
            (Place::FieldStart, b'"') => Place::Quoted(line),
            (Place::Unquoted, b'"') => return Err(quote_in_unquoted(line)),
            (Place::FieldStart | Place::Unquoted, _) => Place::Unquoted,
        };
        line += u64::from(byte == b'\n');
    }
    match place {
        Place::Quoted(since) => Err(format!("line {since} has a quoted field that is never closed")),
        Place::FieldStart | Place::Unquoted | Place::QuoteInQuoted(_) => Ok(()),
    }
}

fn lone_carriage_return(line: u64) -> String {
    format!("line {line} has a carriage return without a line feed; end lines with LF or CR LF")
}

fn text_after_quotes(line: u64, since: u64) -> String {
    format!(
        "line {line} has text after the closing quote of a field that begins on line {since}; a quote inside a quoted \
         field is written twice"
    )
}

fn quote_in_unquoted(line: u64) -> String {
    format!(
        "line {line} has a quote inside a field that is not quoted; put the field in quotes and write the quote twice"
    )
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_rfc_4180_has_is_right() {
        for right in [
            "",
            "a,b\r\nc,d\r\n",
            "a,b\n\n\nc,d",
            "\"a\",\"b\"\r\n\"c\",\"d\"",
            "\"a, b\",\"two\r\nlines\"\r\n",
            "\"a \"\"quoted\"\" word\",\"\"\n\"\"\"\",x\n",
            "\"a carriage\rreturn\",b\n",
            "é,\"é\"\n",
        ] {
            assert_eq!(check(right), Ok(()), "{right:?}");
        }
    }

    #[test]
    fn what_it_does_not_have_is_refused_by_its_line() {
        for (wrong, says) in [
            ("a,b\nX,\"desc\nY,y\nZ,z\n", "line 2 has a quoted field that is never closed"),
            ("a,b\nX,\"desc\"\"\nY,y", "line 2 has a quoted field"),
            ("a,b\n\"", "line 2 has a quoted field"),
            (
                "a,b\nX,\"desc\nY,y\nZ,\"z\"\n",
                "line 4 has text after the closing quote of a field that begins on line 2",
            ),
            ("a,b\nX,\"x\" \n", "line 2 has text after the closing quote"),
            ("a,b\nX,y\nX,5\" nail\n", "line 3 has a quote inside a field that is not quoted"),
            ("a,b\nX, \"x, y\"\n", "line 2 has a quote inside"),
            ("a,b\rX,x\rY,y\r", "line 1 has a carriage return without a line feed"),
            ("a,b\r\nX,\"x\"\r\rY,y\r\n", "line 2 has a carriage return"),
            ("a,b\r", "line 1 has a carriage return"),
        ] {
            let said = check(wrong).expect_err(wrong);
            assert!(said.starts_with(says), "{wrong:?}: {said}");
        }
    }
}

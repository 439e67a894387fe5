//! One connection: a request is written, and its answer read to its end.

use std::net::SocketAddr;
use std::pin::Pin;

use anyhow::{Context, ensure};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

const LARGEST_ANSWER: usize = 1024 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, whole.
pub(crate) struct Answer<'a> {
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

/// What the head says.
struct Head {
    status: u16,
    /// Of head and body.
    length: usize,
    body: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 8192] })
    }

    /// An error unless the answer has the status.
    pub(crate) async fn exchange(&mut self, request: &[u8], status: u16) -> anyhow::Result<Answer<'_>> {
        self.write(request).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            match read_head(&self.buffer[..filled])? {
                Some(head) if filled >= head.length => break head,
                _ if filled == self.buffer.len() => self.grow()?,
                _ => {}
            }
        };
        let answer = &self.buffer[..head.length];
        ensure!(head.status == status, "not {status}: {}", String::from_utf8_lossy(answer));
        let (head, body) = answer.split_at(head.body);
        Ok(Answer { head: std::str::from_utf8(head)?, body })
    }

    async fn write(&self, mut request: &[u8]) -> anyhow::Result<()> {
        while !request.is_empty() {
            match self.stream.try_write(request) {
                Ok(written) => request = &request[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// At least one byte. Not `try_read`: after a read that filled less than there was room for, tokio waits for more without
    /// asking the system once in vain.
    async fn read(&mut self, filled: usize) -> anyhow::Result<usize> {
        let Self { stream, buffer } = self;
        let mut room = ReadBuf::new(&mut buffer[filled..]);
        std::future::poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut room)).await?;
        ensure!(!room.filled().is_empty(), "the server closed the connection");
        Ok(room.filled().len())
    }

    fn grow(&mut self) -> anyhow::Result<()> {
        ensure!(self.buffer.len() < LARGEST_ANSWER, "an answer of more than {LARGEST_ANSWER} bytes");
        self.buffer.resize(self.buffer.len() * 2, 0);
        Ok(())
    }
}

impl Answer<'_> {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// `None` until all of it is there.
fn read_head(answer: &[u8]) -> anyhow::Result<Option<Head>> {
    const LENGTH: &[u8] = b"content-length: ";
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let body = end + 4;
    let mut lines = answer[..end].split(|&byte| byte == b'\n');
    let status = lines.next().and_then(|line| line.get(9..12)).context("a status")?;
    let length = lines
        .find_map(|line| line.get(..LENGTH.len()).filter(|name| name.eq_ignore_ascii_case(LENGTH)).and(Some(line)));
    let length = length.context("every answer tells its length")?[LENGTH.len()..].trim_ascii();
    let length = body + std::str::from_utf8(length)?.parse::<usize>()?;
    Ok(Some(Head { status: std::str::from_utf8(status)?.parse()?, length, body }))
}

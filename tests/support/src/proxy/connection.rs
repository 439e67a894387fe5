//! One connection: what either end sends is read at once, and written at the other as the link is then.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Link, State};

const PIECE: usize = 64 * 1024;
/// Read and not yet written, of each direction; then the sender has to wait.
const UNDER_WAY: usize = 16;
const BETWEEN_SLICES: Duration = Duration::from_millis(1);

/// What was read at once, and when; nothing at all is the end, and an error is passed on in its turn too.
type Piece = (Instant, io::Result<Vec<u8>>);
type Links = watch::Receiver<State>;

/// Until both ends have closed, or one is broken, or the link ends it.
pub(super) async fn run(mut client: TcpStream, target: String, links: Links) {
    let ends = ended(links.clone());
    tokio::pin!(ends);
    let reached = tokio::select! {
        biased;
        how = &mut ends => {
            end(how, [&client]);
            return;
        }
        reached = reach(&target, links.clone()) => reached,
    };
    // Nobody there: then this end closes too.
    let Ok(mut server) = reached else { return };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let how = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(carry(from_client, to_server, links.clone()), carry(from_server, to_client, links.clone()),)
        };
        tokio::select! {
            biased;
            how = &mut ends => how,
            _ = both => None,
        }
    };
    end(how, [&client, &server]);
}

/// How the link ends all connections of now, once it does.
async fn ended(mut links: Links) -> Option<Link> {
    let born = links.borrow().ends;
    links.wait_for(|state| state.ends != born).await.ok().map(|state| state.link)
}

/// What is closed without lingering sends an RST.
fn end<const N: usize>(how: Option<Link>, streams: [&TcpStream; N]) {
    if how == Some(Link::Reset) {
        for stream in streams {
            let _ = stream.set_zero_linger();
        }
    }
}

async fn reach(target: &str, mut links: Links) -> io::Result<TcpStream> {
    whole(&mut links).await?;
    TcpStream::connect(target).await
}

/// The link, once it is not cut.
async fn whole(links: &mut Links) -> io::Result<Link> {
    let state = links.wait_for(|state| state.link != Link::Cut).await;
    state.map(|state| state.link).map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

async fn carry(from: ReadHalf<'_>, to: WriteHalf<'_>, links: Links) -> io::Result<()> {
    let (pieces, read) = mpsc::channel(UNDER_WAY);
    tokio::try_join!(take(from, pieces), give(to, read, links)).map(drop)
}

async fn take(from: ReadHalf<'_>, pieces: mpsc::Sender<Piece>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        from.readable().await?;
        let read = match from.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            read => read.map(|read| buffer[..read].to_vec()),
        };
        let is_last = read.as_ref().map_or(true, Vec::is_empty);
        if pieces.send((Instant::now(), read)).await.is_err() || is_last {
            return Ok(());
        }
    }
}

async fn give(mut to: WriteHalf<'_>, mut pieces: mpsc::Receiver<Piece>, mut links: Links) -> io::Result<()> {
    while let Some((read_at, piece)) = pieces.recv().await {
        due(read_at, &mut links).await?;
        let piece = piece?;
        if piece.is_empty() {
            return to.shutdown().await;
        }
        write(&to, &piece, &mut links).await?;
    }
    Ok(())
}

/// Waits as long as the link says, and goes by what it says meanwhile.
async fn due(read_at: Instant, links: &mut Links) -> io::Result<()> {
    loop {
        let Link::Delayed(by) = whole(links).await? else { return Ok(()) };
        tokio::select! {
            () = tokio::time::sleep_until(read_at + by) => return Ok(()),
            changed = links.changed() => changed.map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))?,
        }
    }
}

/// The link is looked at just before each write, with nothing awaited in between.
async fn write(to: &WriteHalf<'_>, piece: &[u8], links: &mut Links) -> io::Result<()> {
    let mut rest = piece;
    // Not random: what is torn in one run is torn in the next.
    let mut size = 0;
    while !rest.is_empty() {
        to.writable().await?;
        let slice = match whole(links).await? {
            Link::Sliced(most) => {
                size = size % most.max(1) + 1;
                &rest[..size.min(rest.len())]
            }
            Link::Clear | Link::Delayed(_) | Link::Cut | Link::Refused | Link::Reset => rest,
        };
        let is_sliced = slice.len() < rest.len();
        match to.try_write(slice) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if is_sliced {
            tokio::time::sleep(BETWEEN_SLICES).await;
        }
    }
    Ok(())
}

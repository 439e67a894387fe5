//! The three services wired together, and taken down in the order that loses nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use command_service::QueryBaseUrl;
use kafka::{Connection, EmbeddedBroker, Topics};
use listener_service::config::{Groups, WhenHeld};
use shared::lifecycle::Shutdown;
use shared::telemetry;
use tokio::task::JoinSet;

use crate::settings::RunSettings;

/// The services, bound and not yet running.
pub struct Trio {
    /// Ends with the trio.
    embedded: Option<EmbeddedBroker>,
    brokers: String,
    command: command_service::App,
    query: query_service::App,
    listener: listener_service::app::App,
}

impl Trio {
    /// Binds the ports. Refuses if another process holds the data.
    pub async fn build(settings: &RunSettings) -> anyhow::Result<Self> {
        settings.sqlite.make_default_folder()?;
        let topics = Topics::from(&settings.kafka.topics);
        let real = Connection::from_settings(&settings.kafka)?;
        let embedded = if real.is_none() { Some(EmbeddedBroker::start(&topics)?) } else { None };
        let connection = real
            .or_else(|| embedded.as_ref().map(|broker| broker.connection().clone()))
            .expect("the broker is real or embedded");
        let groups = Groups {
            host: &settings.host,
            listener: &settings.listener,
            sqlite: &settings.sqlite,
            retention: &settings.retention,
            kafka: &settings.kafka,
            redis: &settings.redis,
        };
        let listener = listener_service::app::App::build(groups.config(connection.clone(), WhenHeld::Refuse)).await?;
        let path = Some(settings.sqlite.sqlite_path.clone());
        let query = settings.reads.config(&settings.host, path, &settings.redis, &settings.retention);
        let query = query_service::App::build(query).await?;
        let mut command =
            command_service::Config::new(&settings.host, &settings.kafka.topics, &settings.command, connection.clone());
        command.query_base_url = base_url(&settings.command.query_base_url, query.address());
        // The embedded log ends with the process, so there a 202 waits until the writer has made it durable.
        command.applied = embedded.is_some().then(|| listener.applied());
        let command = command_service::App::build(command).await?;
        Ok(Self { embedded, brokers: connection.brokers().to_owned(), command, query, listener })
    }

    /// What is where, told on standard output, one address a line, once all three are ready: whoever reads the lines may
    /// begin. If something is missing they are told after a moment all the same, for `/health/ready` says what.
    pub fn announcement(&self) -> impl Future<Output = ()> + Send + use<> {
        let services = [
            ("command", self.command.address(), self.command.readiness()),
            ("query", self.query.address(), self.query.readiness()),
            ("listener", self.listener.address(), self.listener.readiness()),
        ];
        let brokers = self.brokers.clone();
        async move {
            let started = Instant::now();
            while started.elapsed() < READY_WITHIN && !services.iter().all(|(_, _, readiness)| readiness.is_ready()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            telemetry::announce("broker", brokers);
            for (name, address, _) in services {
                telemetry::announce_service(name, address);
            }
        }
    }

    /// Where command-service, query-service and listener-service listen.
    pub fn addresses(&self) -> [SocketAddr; 3] {
        [self.command.address(), self.query.address(), self.listener.address()]
    }

    /// Serves until `shutdown`; an error if a service cannot go on. First no more commands are taken and those under
    /// way get their answers, then the writer and the readers end.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> anyhow::Result<()> {
        let (first, then) = (Shutdown::new(), Shutdown::new());
        let mut services = JoinSet::new();
        let (command, query, listener) =
            (self.command.run(first.clone()), self.query.run(then.clone()), self.listener.run(then.clone()));
        services.spawn(async { (COMMAND, command.await) });
        services.spawn(async { ("query-service", query.await) });
        services.spawn(async { ("listener-service", listener.await) });
        let mut ended = Vec::new();
        tokio::select! {
            () = shutdown.begun() => {}
            early = services.join_next() => ended.extend(early),
        }
        let started = Instant::now();
        first.begin(drain);
        while !ended.iter().any(|end| matches!(end, Ok((COMMAND, _)) | Err(_)))
            && let Some(end) = services.join_next().await
        {
            ended.push(end);
        }
        then.begin(drain.saturating_sub(started.elapsed()));
        while let Some(end) = services.join_next().await {
            ended.push(end);
        }
        drop(self.embedded);
        ended.into_iter().try_for_each(|end| {
            let (service, result) = end?;
            result.map_err(|error| error.context(format!("{service} ended")))
        })
    }
}

const COMMAND: &str = "command-service";
const READY_WITHIN: Duration = Duration::from_secs(3);

/// The default means "the query-service of this process", whatever port that has got.
fn base_url(setting: &QueryBaseUrl, query: SocketAddr) -> QueryBaseUrl {
    let default = QueryBaseUrl::parse("http://127.0.0.1:8081").expect("a URL");
    if *setting != default {
        return setting.clone();
    }
    let reachable = if query.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { query.ip() };
    QueryBaseUrl::parse(&format!("http://{}", SocketAddr::new(reachable, query.port()))).expect("a URL")
}

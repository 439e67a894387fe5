//! Importing a CSV file of items through the write API, in batches.
//!
//! Every command has a key that follows from the file, the line, the store and what it does: sent twice, by this run or
//! by another one, it takes effect once. What must not happen unless something before it did, an adjustment unless the
//! item was created, is sent once that is known.

mod api;
mod commands;
mod file;
mod report;
mod rfc4180;
mod row;
mod settings;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use api::{Api, Ended};
use commands::Commands;
use file::Table;
use report::{Done, Failure, Report};
use row::Row;
pub use settings::ImportSettings;

/// How many rows are begun before the next ones: as many as a batch has commands.
const ROWS_AT_ONCE: usize = 1000;
/// Says that the SKU is in the catalogue already.
const DUPLICATE_SKU: &str = "DUPLICATE_SKU";

/// Imports the file and prints what became of its rows. An error if one failed, or if the file cannot be understood.
pub async fn run(settings: &ImportSettings) -> anyhow::Result<()> {
    let table = Table::read(&settings.file)?;
    let mut report = Report::of(&table);
    if settings.dry_run {
        print!("{}", report.of_dry_run());
    } else {
        let mut import = Import::new(settings, &table)?;
        let ended = import.all(&table.rows, &mut report).await;
        import.bar.finish_and_clear();
        print!("{report}");
        ended?;
    }
    match report.failed() {
        0 => Ok(()),
        failed => bail!("{failed} of {} failed", report.rows()),
    }
}

/// One run.
struct Import<'a> {
    api: Api,
    commands: Commands,
    settings: &'a ImportSettings,
    /// How far the journal was before. By places in it and not by time: the writer's clock is another host's.
    sequence_before: u64,
    bar: ProgressBar,
}

/// What a row needs after its creation was decided.
struct Rest<'a> {
    row: &'a Row,
    creation: Ended,
    commands: Vec<String>,
}

impl<'a> Import<'a> {
    fn new(settings: &'a ImportSettings, table: &Table) -> anyhow::Result<Self> {
        // Hidden unless standard error is a terminal.
        let bar = ProgressBar::with_draw_target(Some(table.rows.len() as u64), ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} rows, {eta} left")?);
        Ok(Self {
            api: Api::new(&settings.url, &settings.query_url)?,
            commands: Commands::new(&table.hash, &settings.store),
            settings,
            sequence_before: 0,
            bar,
        })
    }

    /// An error if it makes no sense to go on; what was done until then is in the report.
    async fn all(&mut self, rows: &[Row], report: &mut Report) -> anyhow::Result<()> {
        // Before anything is created, and before the first command that names the store: a refusal is remembered with
        // its key, so that the same file could not be imported once the store is there.
        self.api.require_store(&self.settings.store).await?;
        self.sequence_before = self.api.sequence().await?;
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let creations: Vec<_> = rows.iter().map(|row| self.commands.create(row)).collect();
            let created = self.api.decided(&creations).await?;
            let rest = rows.iter().zip(created).map(|(row, creation)| self.rest(row, creation)).collect();
            self.finish(rest, report).await?;
        }
        Ok(())
    }

    fn rest<'r>(&self, row: &'r Row, creation: Ended) -> Rest<'r> {
        let commands = match &creation {
            Ended::Applied { .. } => self.commands.after_creation(row),
            Ended::Failed(failure) if failure.code == DUPLICATE_SKU && self.settings.update => {
                self.commands.update(row)
            }
            Ended::Failed(_) => Vec::new(),
        };
        Rest { row, creation, commands }
    }

    async fn finish(&self, rest: Vec<Rest<'_>>, report: &mut Report) -> anyhow::Result<()> {
        let commands: Vec<String> = rest.iter().flat_map(|rest| rest.commands.iter().cloned()).collect();
        let mut decided = self.api.decided(&commands).await?.into_iter();
        for Rest { row, creation, commands } in rest {
            let further: Vec<Ended> = decided.by_ref().take(commands.len()).collect();
            report.tell(row, self.done(creation, further));
            self.bar.inc(1);
        }
        Ok(())
    }

    /// What became of a row whose commands ended so.
    fn done(&self, creation: Ended, further: Vec<Ended>) -> Result<Done, Failure> {
        let (done, creation) = match creation {
            Ended::Applied { sequence } => (Done::Created, Some(sequence)),
            Ended::Failed(failure) if further.is_empty() => return Err(failure),
            Ended::Failed(_) => (Done::Updated, None),
        };
        let mut last = creation;
        for ended in further {
            match ended {
                Ended::Applied { sequence } => last = last.max(Some(sequence)),
                Ended::Failed(failure) => return Err(failure),
            }
        }
        Ok(if last.is_some_and(|last| last <= self.sequence_before) { Done::Unchanged } else { done })
    }
}

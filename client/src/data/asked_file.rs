//! The rows of a file that somebody asks about, on every processor: block by block and column by column, as the bank's own table is read.

use std::path::Path;
use std::thread;

use csv::StringRecord;

use super::DataError;
use super::asked::Asked;
use super::dataset::{Dataset, Rows};
use super::error::At;
use super::parse::Place;
use super::parser::{Context, Parser};
use super::source::{Batch, Table, Worker};
use crate::desensitise::Guard;

/// What becomes of rows of the file that follow each other.
pub(crate) trait Making: Send {
    /// Takes some rows more: the rows as a table of their own, which of them are asked about, and the cells of the file before any rule.
    fn take(&mut self, rows: &Dataset, asked: &[u32], cells: Batch<'_>);
}

/// A file of rows, open.
pub(crate) struct AskedFile<'a> {
    asked: &'a Asked,
    file: &'a Path,
    table: Table,
}

impl<'a> AskedFile<'a> {
    /// Opens it.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub(crate) fn open(asked: &'a Asked, file: &'a Path) -> Result<Self, DataError> {
        let table = Table::open(file)?;
        Ok(Self { asked, file, table })
    }

    /// The names of its columns.
    pub(crate) fn header(&self) -> &StringRecord {
        self.table.header()
    }

    /// Reads it to its end. Each piece of rows is taken by one `empty` makes, on some thread, and `finished` gets them in the order of the file.
    ///
    /// # Errors
    /// A column that is not there, the first cell that does not fit, and what `finished` gives.
    pub(crate) fn read<M: Making>(
        self,
        empty: impl Fn() -> M + Sync,
        mut finished: impl FnMut(M) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let Self { asked, file, table } = self;
        let place = Place {
            file,
            schema: asked.schema(),
        };
        // Whether a column looks like an identifier was found out of the bank's own table.
        let guard = || Guard::unwatched(asked.rules(), file, table.header(), asked.schema(), None);
        let header = guard()?.header().clone();
        let positions = place.positions_of_asked(&header)?;
        let context = Context {
            place: &place,
            header: &header,
            positions: &positions,
            hold_out: asked.hold_out(),
            groups: None,
            text: asked.tokens(),
        };
        let empty: &(dyn Fn() -> M + Sync) = &empty;
        let workers = (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| {
            Ok(Part {
                parser: Parser::new(&context, guard()?),
                asked,
                empty,
            })
        });
        let workers = workers.collect::<Result<Vec<_>, DataError>>()?;
        let take = |made: Piece<M>| made.0.map_or(Ok(()), &mut finished);
        table.share(workers, take).map(drop)
    }

    /// Every row's cells, in the order of [`Asked::columns`], with the file's own behind them.
    ///
    /// # Errors
    /// A column that is not there, and what keeps a row from being read.
    pub(crate) fn records(self) -> Result<Vec<(StringRecord, StringRecord)>, DataError> {
        let Self { asked, file, table } = self;
        let header = table.header().clone();
        let places = asked.columns().iter().map(|name| {
            let place = header.iter().position(|column| column == name);
            place.ok_or_else(|| {
                DataError::whole(
                    file,
                    format!("no column {name:?} in the header"),
                    "every column that the model reads",
                    "add it, or check its spelling: upper and lower case differ",
                )
            })
        });
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut records = Vec::new();
        table.for_each(|_: At, record| {
            let wanted = places.iter().map(|place| record.get(*place).unwrap_or_default());
            records.push((wanted.collect(), record.clone()));
            Ok(())
        })?;
        Ok(records)
    }
}

/// One thread's part.
struct Part<'a, M> {
    parser: Parser<'a>,
    asked: &'a Asked,
    empty: &'a (dyn Fn() -> M + Sync),
}

/// Nothing before the first rows of a piece.
struct Piece<M>(Option<M>);

impl<M> Default for Piece<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M: Making> Worker for Part<'_, M> {
    type Made = Piece<M>;

    fn rows(&mut self, batch: Batch<'_>, made: &mut Piece<M>) -> Result<(), DataError> {
        let mut rows = Rows::default();
        self.parser.rows(batch, &mut rows)?;
        let (dataset, asked) = self.asked.kept(rows)?;
        let making = made.0.get_or_insert_with(self.empty);
        making.take(&dataset, &asked, batch);
        Ok(())
    }
}

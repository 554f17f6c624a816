//! What bills add up to, by name and UTC day.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use jiff::civil::Date;
use schemas::Currency;
use serde::Serialize;

use super::charge::Charge;
use super::error::{BillError, Place};
use super::exact::Exact;
use super::form::{Apart, BillForm, CostColumn};
use super::names::Names;
use super::source::Source;
use super::{google, table};

/// Sums that are kept, some 200 MB: many more than days and providers (services), and a bound for what is none of these.
pub(super) const MOST_SUMS: usize = 1_000_000;
/// Kinds that are not known and named.
const MOST_UNKNOWN: usize = 20;

/// By what is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Who bills.
    Provider,
    /// What is billed.
    Service,
}

impl By {
    /// As shown; also the dimension of the events.
    pub fn name(self) -> &'static str {
        match self {
            By::Provider => "provider",
            By::Service => "service",
        }
    }
}

/// How bills are read.
#[derive(Clone, Debug)]
pub struct BillOptions {
    /// `None`: told by the header.
    pub form: Option<BillForm>,
    /// Of FOCUS exports.
    pub cost: CostColumn,
    /// By what is compared.
    pub by: By,
    /// Names of providers.
    pub providers: Names,
    /// Names of services.
    pub services: Names,
    /// Only charges of these, if any.
    pub only: Vec<String>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BillFile {
    /// As it was given.
    pub file: String,
    /// Whose export it is.
    pub form: BillForm,
    /// The column that was compared.
    pub cost: String,
    /// Charges that were read.
    pub charges: u64,
}

/// A sum of charges.
pub(super) type Sums = BTreeMap<(String, Date, Currency), Exact>;
/// And how many they were.
pub(super) type ApartSums = BTreeMap<(String, Apart, Date, Currency), (u64, Exact)>;

/// Bills that were read.
pub struct Ledger {
    pub(super) options: BillOptions,
    only: BTreeSet<String>,
    pub(super) files: Vec<BillFile>,
    pub(super) sums: Sums,
    pub(super) apart: ApartSums,
    /// Where each currency stands first.
    pub(super) currencies: BTreeMap<Currency, Place>,
    pub(super) unknown_kinds: BTreeSet<String>,
    charges: u64,
}

impl Ledger {
    /// Without a bill.
    pub fn new(options: BillOptions) -> Self {
        let only = options.only.iter().map(|name| options.providers.of(name)).collect();
        let (sums, apart) = (Sums::new(), ApartSums::new());
        Ledger { options, only, files: Vec::new(), sums, apart, currencies: BTreeMap::new(), unknown_kinds: BTreeSet::new(), charges: 0 }
    }

    /// Reads a bill to its end, record by record.
    ///
    /// # Errors
    /// [`BillError`] names file, line, column, value and remedy.
    pub fn read(&mut self, file: &str, input: impl Read) -> Result<(), BillError> {
        let unreadable = |error: std::io::Error| BillError::Unreadable { file: file.to_owned(), problem: error.to_string() };
        let mut source = Source::open(input).map_err(unreadable)?;
        let place = Place { file: file.to_owned(), line: 1 };
        let before = self.charges;
        let (form, cost) = match (source.first().map_err(unreadable)?, self.options.form) {
            (Some(b'['), _) => {
                return Err(place.no_bill("is a JSON array, which would have to be in memory as a whole: export newline delimited JSON"));
            }
            (Some(b'{'), None | Some(BillForm::Gcp)) => google::read(source, file, self).map(|()| (BillForm::Gcp, "cost".to_owned()))?,
            (Some(b'{'), Some(form)) => return Err(place.no_bill(format!("is JSON: expected a {} as CSV", form.name()))),
            (_, form) => table::read(source, file, form, self)?,
        };
        if form != BillForm::Focus && self.options.cost == CostColumn::Effective {
            let problem = format!("is a {}: only FOCUS exports have an effective cost; leave --cost effective out", form.name());
            return Err(place.no_bill(problem));
        }
        self.files.push(BillFile { file: file.to_owned(), form, cost, charges: self.charges - before });
        Ok(())
    }

    pub(super) fn cost(&self) -> CostColumn {
        self.options.cost
    }

    pub(super) fn needs_service(&self) -> bool {
        self.options.by == By::Service
    }

    /// `None`: the charge is compared. So is one of a kind that is not known, which is told.
    pub(super) fn classify(&mut self, form: BillForm, kind: &str, class: &str) -> Option<Apart> {
        form.classify(kind, class).unwrap_or_else(|()| {
            if self.unknown_kinds.len() < MOST_UNKNOWN {
                self.unknown_kinds.insert(kind.chars().take(100).collect());
            }
            None
        })
    }

    /// Adds a charge, and what the provider has taken off it beside it.
    pub(super) fn take(&mut self, place: &Place, charge: &Charge<'_>, taken_off: Option<Exact>) -> Result<(), BillError> {
        self.charges += 1;
        let provider = self.options.providers.of_provider(charge.provider, charge.service);
        if !self.only.is_empty() && !self.only.contains(&provider) {
            return Ok(());
        }
        let name = match self.options.by {
            By::Provider => provider,
            By::Service => self.options.services.of(charge.service),
        };
        self.currencies.entry(charge.currency).or_insert_with(|| place.clone());
        if let Some(credit) = taken_off {
            self.set_apart(place, (name.clone(), Apart::Credit, charge.day, charge.currency), credit)?;
        }
        match charge.apart {
            Some(apart) => self.set_apart(place, (name, apart, charge.day, charge.currency), charge.amount)?,
            None => {
                let sum = self.sums.entry((name, charge.day, charge.currency)).or_default();
                *sum = sum.plus(charge.amount).ok_or_else(|| place.sum_too_large())?;
            }
        }
        if self.sums.len() + self.apart.len() > MOST_SUMS { Err(place.too_many_sums()) } else { Ok(()) }
    }

    fn set_apart(&mut self, place: &Place, key: (String, Apart, Date, Currency), amount: Exact) -> Result<(), BillError> {
        let (charges, sum) = self.apart.entry(key).or_default();
        (*charges, *sum) = (*charges + 1, sum.plus(amount).ok_or_else(|| place.sum_too_large())?);
        Ok(())
    }

    pub(super) fn is_wanted(&self, name: &str) -> bool {
        self.options.by == By::Service || self.only.is_empty() || self.only.contains(name)
    }

    pub(super) fn names(&self) -> &Names {
        match self.options.by {
            By::Provider => &self.options.providers,
            By::Service => &self.options.services,
        }
    }
}

//! The fields that an event may have, by name.

use schemas::Dimension;

/// Where a known field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Text that is taken as it is.
    Text(TextField),
    /// Event time.
    OccurredAt,
    /// A token count.
    Count(CountField),
    /// `amount` or `revenue`.
    Money(MoneyField),
    /// `latency_ms`
    Latency,
    /// `tags`
    Tags,
    /// `attributes`
    Attributes,
}

/// Index of a text field: the dimensions first, by their own index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextField(u8);

impl TextField {
    pub(super) const EVENT_ID: TextField = TextField(Dimension::COUNT as u8);
    pub(super) const SOURCE: TextField = TextField(Dimension::COUNT as u8 + 1);
    pub(super) const KIND: TextField = TextField(Dimension::COUNT as u8 + 2);
    pub(super) const ADJUSTS: TextField = TextField(Dimension::COUNT as u8 + 3);
    pub(super) const CONVENTION: TextField = TextField(Dimension::COUNT as u8 + 4);
    pub(super) const CURRENCY: TextField = TextField(Dimension::COUNT as u8 + 5);
    pub(super) const REVENUE_CURRENCY: TextField = TextField(Dimension::COUNT as u8 + 6);
    pub(super) const STATUS: TextField = TextField(Dimension::COUNT as u8 + 7);
    pub(super) const ERROR_TYPE: TextField = TextField(Dimension::COUNT as u8 + 8);
    /// How many text fields there are.
    pub(super) const NUMBER: usize = Dimension::COUNT + 9;

    pub(super) const fn of(dimension: Dimension) -> Self {
        TextField(dimension as u8)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a token count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum CountField {
    Input,
    CacheRead,
    CacheWrite,
    CacheWrite5m,
    CacheWrite1h,
    Output,
    Reasoning,
}

impl CountField {
    /// How many counts there are.
    pub(super) const NUMBER: usize = 7;
    const NAMES: [&'static str; Self::NUMBER] = [
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "reasoning_tokens",
    ];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The name of the count at an index.
    pub(super) fn name_at(index: usize) -> &'static str {
        Self::NAMES.get(index).copied().unwrap_or_default()
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoneyField {
    Amount,
    Revenue,
}

impl MoneyField {
    pub(super) fn name(self) -> &'static str {
        match self {
            MoneyField::Amount => "amount",
            MoneyField::Revenue => "revenue",
        }
    }
}

impl Field {
    /// By its name. The compiler makes it a switch over the length and then a comparison of words.
    pub(super) fn from_name(name: &str) -> Option<Field> {
        use CountField as C;
        use Dimension as D;
        Some(match name {
            "event_id" => Field::Text(TextField::EVENT_ID),
            "source" => Field::Text(TextField::SOURCE),
            "occurred_at" => Field::OccurredAt,
            "kind" => Field::Text(TextField::KIND),
            "provider" => Field::dimension(D::Provider),
            "model" => Field::dimension(D::Model),
            "operation" => Field::dimension(D::Operation),
            "service" => Field::dimension(D::Service),
            "route" => Field::dimension(D::Route),
            "feature" => Field::dimension(D::Feature),
            "task_type" => Field::dimension(D::TaskType),
            "user_id" => Field::dimension(D::UserId),
            "team" => Field::dimension(D::Team),
            "project" => Field::dimension(D::Project),
            "environment" => Field::dimension(D::Environment),
            "cost_center" => Field::dimension(D::CostCenter),
            "owner" => Field::dimension(D::Owner),
            "tier" => Field::dimension(D::Tier),
            "tags" => Field::Tags,
            "token_convention" => Field::Text(TextField::CONVENTION),
            "input_tokens" => Field::Count(C::Input),
            "cache_read_tokens" => Field::Count(C::CacheRead),
            "cache_write_tokens" => Field::Count(C::CacheWrite),
            "cache_write_5m_tokens" => Field::Count(C::CacheWrite5m),
            "cache_write_1h_tokens" => Field::Count(C::CacheWrite1h),
            "output_tokens" => Field::Count(C::Output),
            "reasoning_tokens" => Field::Count(C::Reasoning),
            "amount" => Field::Money(MoneyField::Amount),
            "currency" => Field::Text(TextField::CURRENCY),
            "revenue" => Field::Money(MoneyField::Revenue),
            "revenue_currency" => Field::Text(TextField::REVENUE_CURRENCY),
            "latency_ms" => Field::Latency,
            "status" => Field::Text(TextField::STATUS),
            "error_type" => Field::Text(TextField::ERROR_TYPE),
            "adjusts" => Field::Text(TextField::ADJUSTS),
            "attributes" => Field::Attributes,
            _ => return None,
        })
    }

    const fn dimension(dimension: Dimension) -> Field {
        Field::Text(TextField::of(dimension))
    }

    /// A bit of its own, to see a field twice.
    pub(super) fn bit(self) -> u64 {
        let position = match self {
            Field::Text(text) => text.index(),
            Field::Count(count) => TextField::NUMBER + count as usize,
            Field::Money(MoneyField::Amount) => TextField::NUMBER + CountField::NUMBER,
            Field::Money(MoneyField::Revenue) => TextField::NUMBER + CountField::NUMBER + 1,
            Field::OccurredAt => TextField::NUMBER + CountField::NUMBER + 2,
            Field::Latency => TextField::NUMBER + CountField::NUMBER + 3,
            Field::Tags => TextField::NUMBER + CountField::NUMBER + 4,
            Field::Attributes => TextField::NUMBER + CountField::NUMBER + 5,
        };
        1 << position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_is_a_field_under_its_own_name() {
        for dimension in Dimension::ALL {
            assert_eq!(Field::from_name(dimension.name()), Some(Field::Text(TextField::of(dimension))));
        }
        for index in 0..CountField::NUMBER {
            assert!(matches!(Field::from_name(CountField::name_at(index)), Some(Field::Count(count)) if count as usize == index));
        }
    }
}

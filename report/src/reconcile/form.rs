//! The three kinds of exports: what their columns are called, and which charges are no usage.
//!
//! Names are those of FOCUS 1.2 (<https://focus.finops.org/focus-specification/v1-2/>; 1.3 calls the provider `ServiceProviderName`), of the AWS Cost and Usage Report
//! and CUR 2.0 (<https://docs.aws.amazon.com/cur/latest/userguide/data-dictionary.html>), and of Google's standard and detailed usage cost export
//! (<https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables>), whose nested fields a CSV spells with a point or an underscore.

use serde::Serialize;

/// Whose export it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BillForm {
    /// FinOps Open Cost and Usage Specification.
    Focus,
    /// AWS Cost and Usage Report, both spellings.
    Aws,
    /// Google Cloud's usage cost export.
    Gcp,
}

/// Which cost of a FOCUS export is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostColumn {
    /// What the invoice says.
    Billed,
    /// With purchases spread over what they are for.
    Effective,
}

/// What a charge is, if it is not usage: shown apart and not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Apart {
    /// Taxes.
    Tax,
    /// Credits.
    Credit,
    /// Money back.
    Refund,
    /// Of an earlier billing period.
    Correction,
    /// What the provider calls so, and no other kind.
    Adjustment,
    /// What the provider rounded.
    Rounding,
}

impl Apart {
    /// As shown.
    pub fn name(self) -> &'static str {
        match self {
            Apart::Tax => "tax",
            Apart::Credit => "credit",
            Apart::Refund => "refund",
            Apart::Correction => "correction",
            Apart::Adjustment => "adjustment",
            Apart::Rounding => "rounding",
        }
    }
}

/// Columns by any of several names; upper and lower case are the same, as query engines change them.
pub(super) struct Spellings {
    pub(super) start: &'static [&'static str],
    pub(super) cost: &'static [&'static str],
    pub(super) currency: &'static [&'static str],
    /// The first that says something.
    pub(super) provider: &'static [&'static str],
    pub(super) service: &'static [&'static str],
    pub(super) kind: &'static [&'static str],
    /// Must the kind be told?
    pub(super) kind_is_required: bool,
    /// FOCUS: a correction of an earlier bill.
    pub(super) class: &'static [&'static str],
    /// Google: what is taken off a charge, as a JSON array.
    pub(super) credits: &'static [&'static str],
}

impl BillForm {
    /// All of them.
    pub(super) const ALL: [BillForm; 3] = [BillForm::Focus, BillForm::Aws, BillForm::Gcp];

    /// As shown.
    pub fn name(self) -> &'static str {
        match self {
            BillForm::Focus => "FOCUS",
            BillForm::Aws => "AWS Cost and Usage Report",
            BillForm::Gcp => "Google Cloud billing export",
        }
    }

    /// Who bills, where no column says it.
    pub(super) fn provider(self) -> &'static str {
        match self {
            BillForm::Focus => "",
            BillForm::Aws => "aws",
            BillForm::Gcp => "gcp",
        }
    }

    pub(super) fn spellings(self, cost: CostColumn) -> Spellings {
        match self {
            BillForm::Focus => Spellings {
                start: &["ChargePeriodStart"],
                cost: match cost {
                    CostColumn::Billed => &["BilledCost"],
                    CostColumn::Effective => &["EffectiveCost"],
                },
                currency: &["BillingCurrency"],
                provider: &["ProviderName", "ServiceProviderName", "PublisherName"],
                service: &["ServiceName"],
                kind: &["ChargeCategory"],
                kind_is_required: true,
                class: &["ChargeClass"],
                credits: &[],
            },
            BillForm::Aws => Spellings {
                start: &["lineItem/UsageStartDate", "line_item_usage_start_date"],
                cost: &["lineItem/UnblendedCost", "line_item_unblended_cost"],
                currency: &["lineItem/CurrencyCode", "line_item_currency_code"],
                provider: &[],
                service: &["lineItem/ProductCode", "line_item_product_code"],
                kind: &["lineItem/LineItemType", "line_item_line_item_type"],
                kind_is_required: true,
                class: &[],
                credits: &[],
            },
            BillForm::Gcp => Spellings {
                start: &["usage_start_time"],
                cost: &["cost"],
                currency: &["currency"],
                provider: &[],
                service: &["service.description", "service_description"],
                kind: &["cost_type"],
                kind_is_required: false,
                class: &[],
                credits: &["credits"],
            },
        }
    }

    /// Is a charge of this kind compared (`Ok(None)`) or not? `Err`: this version does not know the kind.
    pub(super) fn classify(self, kind: &str, class: &str) -> Result<Option<Apart>, ()> {
        if self == BillForm::Focus && class.eq_ignore_ascii_case("Correction") {
            return Ok(Some(Apart::Correction));
        }
        match (self, kind) {
            (BillForm::Focus, "Usage" | "Purchase") => Ok(None),
            (BillForm::Focus, "Adjustment") => Ok(Some(Apart::Adjustment)),
            (BillForm::Focus | BillForm::Aws, "Tax") => Ok(Some(Apart::Tax)),
            (BillForm::Focus | BillForm::Aws, "Credit") => Ok(Some(Apart::Credit)),
            (BillForm::Aws, "Refund") => Ok(Some(Apart::Refund)),
            // Discounts are a part of the price, and what a Savings Plan covers is taken off again by its negation.
            (
                BillForm::Aws,
                "Usage"
                | "DiscountedUsage"
                | "Fee"
                | "RIFee"
                | "SavingsPlanUpfrontFee"
                | "SavingsPlanRecurringFee"
                | "SavingsPlanCoveredUsage"
                | "SavingsPlanNegation"
                | "Discount"
                | "BundledDiscount"
                | "EdpDiscount"
                | "PrivateRateDiscount"
                | "SppDiscount",
            ) => Ok(None),
            (BillForm::Gcp, "" | "regular") => Ok(None),
            (BillForm::Gcp, "tax") => Ok(Some(Apart::Tax)),
            (BillForm::Gcp, "adjustment") => Ok(Some(Apart::Adjustment)),
            (BillForm::Gcp, "rounding_error") => Ok(Some(Apart::Rounding)),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taxes_credits_and_refunds_stay_apart_and_unknown_kinds_are_told() {
        for (form, kind, class, is) in [
            (BillForm::Focus, "Usage", "", Ok(None)),
            (BillForm::Focus, "Purchase", "", Ok(None)),
            (BillForm::Focus, "Usage", "Correction", Ok(Some(Apart::Correction))),
            (BillForm::Focus, "Credit", "", Ok(Some(Apart::Credit))),
            (BillForm::Focus, "Adjustment", "", Ok(Some(Apart::Adjustment))),
            (BillForm::Focus, "Refund", "", Err(())),
            (BillForm::Aws, "SavingsPlanNegation", "", Ok(None)),
            (BillForm::Aws, "Refund", "", Ok(Some(Apart::Refund))),
            (BillForm::Aws, "FlatRateSubscription", "", Err(())),
            (BillForm::Gcp, "", "", Ok(None)),
            (BillForm::Gcp, "rounding_error", "", Ok(Some(Apart::Rounding))),
            (BillForm::Gcp, "regular", "Correction", Ok(None)),
        ] {
            assert_eq!(form.classify(kind, class), is, "{form:?} {kind}");
        }
    }
}

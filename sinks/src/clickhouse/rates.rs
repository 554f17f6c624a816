//! What readers of amounts need from the program's files: exchange rates and the business time zone.

use schemas::rates::Rates;

use super::client::ClickHouse;
use super::error::ClickHouseError;
use super::views::business_time;

impl ClickHouse {
    /// Makes `exchange_rates` and `business_time` show these rates and this IANA time zone; nothing is written when they do already. After
    /// [`ClickHouse::migrate`]. Instances whose files differ take turns: the one that started last is right.
    ///
    /// # Errors
    /// What the server says.
    pub async fn publish_rates(&self, rates: &Rates, time_zone: &str) -> Result<(), ClickHouseError> {
        let load = format!("{:032x}", rates.content_hash());
        let found = self.query_rows("SELECT argMax(`load`, loaded_at) FROM exchange_rate_rows", "TabSeparated").await?;
        if found.trim_end() != load {
            self.execute(&insert(&load, rates)).await?;
        }
        self.make_views(&[business_time(time_zone)]).await?;
        Ok(())
    }
}

/// All rates as one block, which the server takes whole or not at all. The row of US dollars stands for a load without any rate.
fn insert(load: &str, rates: &Rates) -> String {
    let mut values = format!("('{load}', now64(6), 'USD', toDateTime64(0, 6, 'UTC'), '1')");
    for rate in rates.as_slice() {
        let (currency, from, per_usd) = (rate.currency.as_str(), rate.from.micros(), rate.per_usd);
        values += &format!(", ('{load}', now64(6), '{currency}', fromUnixTimestamp64Micro({from}, 'UTC'), '{per_usd}')");
    }
    format!("INSERT INTO exchange_rate_rows (`load`, loaded_at, currency, valid_from, per_usd) VALUES {values}")
}

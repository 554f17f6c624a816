//! What to do about an error of the server.
//!
//! | code | name | what is done |
//! |---|---|---|
//! | 16, 8, 36, 47, 48, 62, 115 | no such column, bad arguments, unknown identifier, not implemented, syntax, unknown setting | stop |
//! | 60, 81 | unknown table, unknown database | stop (the migrations have not run, or somebody dropped it) |
//! | 164, 192, 193, 194, 497, 516 | read only, unknown user, wrong password, access denied, authentication failed | stop |
//! | 6, 26, 27, 32, 33, 38, 41, 43, 50, 53, 69, 70, 72, 117, 128, 131, 321, 349, 691 | a value cannot be read, converted or stored | stop |
//! | 159, 160, 202, 203, 209, 210, 236, 241, 242, 243, 252, 285, 319, 394, 425, 439, 473, 745, 999, ... | timeouts, overload, memory, disk, read-only replica, too many parts, unknown status, Keeper | retry for ever |
//! | any other, or none | not known here | retry for ever: an outage is waited out and shows in the health state |
//!
//! Numbers: <https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp>

/// Whether trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may pass: the same request is worth another try.
    Passing,
    /// Tables, rights or settings are wrong, or these very rows: the same request fails again until a person acts.
    Lasting,
}

/// See the table above.
pub(crate) fn fault_of(code: Option<u32>) -> Fault {
    match code {
        Some(8 | 16 | 36 | 47 | 48 | 60 | 62 | 81 | 115 | 164 | 192 | 193 | 194 | 497 | 516) => Fault::Lasting,
        Some(6 | 26 | 27 | 32 | 33 | 38 | 41 | 43 | 50 | 53 | 69 | 70 | 72 | 117 | 128 | 131 | 321 | 349 | 691) => Fault::Lasting,
        _ => Fault::Passing,
    }
}

/// What helps against the commonest errors of setup.
pub(crate) fn remedy(code: Option<u32>) -> &'static str {
    match code {
        Some(60 | 81) => "; the tables are not there: start once with a user who may create them, so that the migrations run",
        Some(8 | 16 | 47) => "; the table is not as the migrations make it: was it changed by hand?",
        Some(192 | 193 | 194 | 516) => "; check clickhouse.username, and COST_RHYTHM__CLICKHOUSE__PASSWORD or clickhouse.password_file",
        Some(164 | 497) => "; the user needs SELECT, INSERT, CREATE and ALTER on the database",
        _ => "",
    }
}

/// The number in `Code: 60. DB::Exception: ...`.
pub(crate) fn code_in(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("Code: ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_from_the_message() {
        assert_eq!(code_in("Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)"), Some(60));
        assert_eq!(code_in("Code: 516"), Some(516));
        assert_eq!(code_in("502 Bad Gateway"), None);
    }

    #[test]
    fn what_is_unknown_is_retried() {
        assert_eq!((fault_of(None), fault_of(Some(77_777))), (Fault::Passing, Fault::Passing));
        for code in [202, 241, 252, 319, 159, 210, 242, 999] {
            assert_eq!(fault_of(Some(code)), Fault::Passing);
        }
        assert_eq!([53, 117, 60].map(|code| fault_of(Some(code))), [Fault::Lasting; 3]);
    }
}

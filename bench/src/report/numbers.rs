//! Numbers as people read them.

/// Milliseconds with three significant digits.
pub fn millis(ms: f64) -> String {
    significant(ms)
}

/// Something each second, or any other number.
pub fn rate(value: f64) -> String {
    significant(value)
}

/// Three significant digits, thousands separated.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    if digits > 0 {
        let text = format!("{value:.*}", digits.min(6) as usize);
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let unit = 10f64.powi(-digits);
    thousands(((value / unit).round() * unit) as i64)
}

pub fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0 { format!("-{out}") } else { out }
}

/// Octets with a binary unit.
pub fn octets(value: f64) -> String {
    let mut left = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if left.abs() < 1024.0 {
            return format!("{} {unit}", significant(left));
        }
        left /= 1024.0;
    }
    format!("{} TiB", significant(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        let shown: Vec<String> =
            [0.0, 0.01234, 0.5, 9.996, 12.3, 123.4, 1234.0, 1_234_567.0].map(significant).into();
        assert_eq!(shown, ["0", "0.0123", "0.5", "10", "12.3", "123", "1,230", "1,230,000"]);
        assert_eq!(octets(1536.0), "1.5 KiB");
        assert_eq!(thousands(-1234), "-1,234");
    }
}

//! `float4` and `float8` as PostgreSQL prints them since version 12: the shortest digits that read back
//! to the same number, positional for exponents from -4 up to a bound, else with a two-digit exponent
//! (src/common/d2s.c, f2s.c). Refuses `extra_float_digits` below 1: clients that read binary never
//! see it.

/// Nine digits tell every `float4` from its neighbours.
const FLOAT4_DECIMALS_MAX: usize = 8;

/// The text of a `float8`.
pub(super) fn double(value: f64) -> String {
    match special(value) {
        Some(text) => text.to_owned(),
        None => spelled(&even(format!("{value:e}"), |n| format!("{value:.n$e}")), 15),
    }
}

/// The text of a `float4`.
pub(super) fn single(value: f32) -> String {
    match special(f64::from(value)) {
        Some(text) => text.to_owned(),
        None => spelled(&inside(value, &format!("{value:e}")), 6),
    }
}

/// Where two shortest decimals are equally near, the server takes the even one.
fn even(shortest: String, rounded: impl Fn(usize) -> String) -> String {
    let rounded = rounded(decimals(&shortest));
    match rounded.parse::<f64>() == shortest.parse::<f64>() {
        true => rounded,
        false => shortest,
    }
}

/// The same for `float4`, where the server also refuses a decimal that lies exactly between two floats:
/// it adds a digit. (For `float8` that happens with integers beyond 2^53 only, and hides nothing.)
fn inside(value: f32, shortest: &str) -> String {
    let wide = f64::from(value);
    let between = |other: f32| (wide + f64::from(other)) / 2.0;
    let (low, high) = (between(value.next_down()), between(value.next_up()));
    let count = decimals(shortest);
    (count..=FLOAT4_DECIMALS_MAX)
        .map(|n| format!("{value:.n$e}"))
        .find(|text| {
            text.parse::<f64>()
                .is_ok_and(|read| low < read && read < high)
        })
        .unwrap_or_else(|| shortest.to_owned())
}

/// Digits behind the point of `d.ddde-7`.
fn decimals(scientific: &str) -> usize {
    let mantissa = scientific.split('e').next().unwrap_or_default();
    mantissa
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len())
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        v if v.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// From `-1.25e-7` to PostgreSQL's spelling.
fn spelled(scientific: &str, positional_below: i32) -> String {
    let (sign, rest) = match scientific.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", scientific),
    };
    let (mantissa, exponent) = rest.split_once('e').unwrap_or((rest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..positional_below).contains(&exponent) {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.unsigned_abs());
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    match usize::try_from(exponent) {
        Err(_) => {
            let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
            format!("{sign}0.{zeros}{digits}")
        }
        Ok(exponent) => match digits.split_at_checked(exponent + 1) {
            Some((whole, "")) => format!("{sign}{whole}"),
            Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
            None => {
                let zeros = "0".repeat(exponent + 1 - digits.len());
                format!("{sign}{digits}{zeros}")
            }
        },
    }
}

//! What is said of several measurements. It refuses to favour one of two in the middle.

/// The value in the middle, or the mean of the two in the middle of an even number; none of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        0 => sorted.get(sorted.len() / 2 - 1).map(|l| (l + upper) / 2.0),
        _ => Some(*upper),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn of_an_even_number_the_median_is_the_mean_of_the_two_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[8.0, 1.0, 100.0, 4.0]), Some(6.0));
    }
}

//! What `q` means: the beginning of the SKU, or of a word of the name, whatever the case.
//!
//! The writer stores [`terms`] of each item; a reader looks for those that begin with [`prefix`]. Both sides
//! normalise here, so that they cannot disagree.

/// Every text whose beginning finds the item: its SKU, and its name from each word on.
pub fn terms(sku: &str, name: &str) -> Vec<String> {
    let name = normalised(name);
    let mut terms = vec![normalised(sku)];
    let mut at_word_start = true;
    for (index, c) in name.char_indices() {
        if at_word_start && c.is_alphanumeric() {
            terms.push(name[index..].to_owned());
        }
        at_word_start = !c.is_alphanumeric();
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// What a stored term must begin with to match `q`.
pub fn prefix(q: &str) -> String {
    normalised(q.trim())
}

fn normalised(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(q: &str, sku: &str, name: &str) -> bool {
        terms(sku, name).iter().any(|term| term.starts_with(&prefix(q)))
    }

    #[test]
    fn the_beginning_of_the_sku_or_of_a_word_of_the_name_finds_an_item() {
        for q in ["prod-0", "PROD", "usb", "Cable", "cable 2", "2M", "usb-c cab", "c c"] {
            assert!(finds(q, "PROD-001", "USB-C Cable 2m"), "{q}");
        }
        for q in ["rod", "able", "m", "001"] {
            assert!(!finds(q, "PROD-001", "USB-C Cable 2m"), "{q}");
        }
        assert!(finds("übergr", "X", "Hemd (Übergröße)"));
    }
}

//! The only way text reaches junit-report: what XML cannot hold is made visible, `]]>` is split. Knows no element.

use super::read::is_xml_char;

/// Text without escape sequences, with every other character that XML forbids written as `\xNN`.
pub fn clean(text: &str) -> String {
    let plain = if text.contains('\u{1b}') { crate::text::strip_ansi(text) } else { text.to_owned() };
    if plain.chars().all(is_xml_char) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if is_xml_char(c) {
            out.push(c);
        } else {
            out.extend(format!("\\x{:02X}", u32::from(c)).chars());
        }
    }
    out
}

/// An attribute: one line, since readers turn a line break into a space.
pub fn attribute(text: &str) -> String {
    let clean = clean(text);
    clean.split(['\n', '\r', '\t']).find(|part| !part.trim().is_empty()).unwrap_or("").trim_end().to_owned()
}

/// The content of a CDATA section; junit-report writes it as it comes.
pub fn cdata(text: &str) -> String {
    clean(text).replace("]]>", "]]]]><![CDATA[>")
}

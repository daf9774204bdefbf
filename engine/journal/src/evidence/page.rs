//! The report for people: one page, no script, nothing from elsewhere, everything foreign escaped. It shows the first rows
//! of each table; the files have all of them. Refuses every byte of markup that is not ours.

use super::table::Table;
use portcullis_model::{escape_line, limits};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.5rem}table{border-collapse:collapse;width:100%;font-size:.85rem}\
th,td{border:1px solid #8884;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#8882}td{font-family:ui-monospace,monospace}nav a{margin-right:1rem}.none{opacity:.7}";

/// The page.
pub(super) fn page(title: &str, facts: &[(&str, String)], tables: &[Table]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n<table>\n",
        text(title)
    );
    for (name, value) in facts {
        out.push_str(&format!(
            "<tr><th>{}</th><td>{}</td></tr>\n",
            text(name),
            text(value)
        ));
    }
    out.push_str("</table>\n<nav aria-label=\"Tables\"><p>");
    for table in tables {
        out.push_str(&format!(
            "<a href=\"#{0}\">{1} ({2})</a> ",
            table.name,
            text(table.title),
            table.rows.len()
        ));
    }
    out.push_str("</p></nav>\n");
    for table in tables {
        section(&mut out, table);
    }
    out.push_str("</body></html>\n");
    out
}

fn section(out: &mut String, table: &Table) {
    out.push_str(&format!(
        "<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n",
        table.name,
        text(table.title),
        text(table.about)
    ));
    if table.rows.is_empty() {
        out.push_str("<p class=\"none\">There is none.</p>\n");
        return;
    }
    out.push_str("<table><thead><tr>");
    for name in table.columns {
        out.push_str(&format!("<th scope=\"col\">{}</th>", text(name)));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in table.rows.iter().take(limits::EVIDENCE_ROWS_SHOWN_MAX) {
        out.push_str("<tr>");
        for cell in row {
            out.push_str(&format!("<td>{}</td>", text(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    let more = table
        .rows
        .len()
        .saturating_sub(limits::EVIDENCE_ROWS_SHOWN_MAX);
    if more > 0 {
        out.push_str(&format!(
            "<p>{more} rows more stand in <code>{0}.csv</code> and <code>{0}.json</code>.</p>\n",
            table.name
        ));
    }
}

/// Text, as text: control characters are shown, and nothing is markup.
fn text(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for c in escape_line(foreign).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_markup() {
        let mut table = Table::new("t", "T", "", &["a"]);
        table.row(["<script>alert(1)</script>\" onload='x' &amp;\u{202e}".into()]);
        let page = page("<b>", &[("x", "</table>".into())], &[table]);
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains('\u{202e}'));
        assert_eq!(page.matches("</table>").count(), 2);
        assert!(
            page.contains(
                "&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;amp;"
            )
        );
    }
}

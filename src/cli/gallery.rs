//! The page the demo leaves behind: every mail to look at, without a mail program.

/// Marks a page as ours, so that a later demo may write over it.
pub(crate) const MARK: &str = "<!-- written by dunlin demo -->";

/// One mail on the page.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The file with its exact bytes, beside the page, where there is one.
    pub(crate) eml: Option<String>,
    /// Its HTML part, where it has one.
    pub(crate) html: Option<Html>,
    /// Whom it went to.
    pub(crate) to: String,
    /// The customer's name.
    pub(crate) customer: String,
    /// The level's id.
    pub(crate) level: String,
    /// The subject.
    pub(crate) subject: String,
    /// Its text part.
    pub(crate) text: String,
}

/// The HTML part of a mail.
#[derive(Debug)]
pub(crate) enum Html {
    /// In a file of this name, beside the page.
    File(String),
    /// Within the page.
    Within(String),
}

/// Returns the page, `lead` below its title.
pub(crate) fn page(title: &str, lead: &str, pictures: &[Picture]) -> String {
    let mut page = format!(
        "<!doctype html>\n{MARK}\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p>{lead}</p>\n<main>\n",
        title = escaped(title),
        lead = escaped(lead)
    );
    for picture in pictures {
        let frame = |source: &str, value: &str| {
            let (value, subject) = (escaped(value), escaped(&picture.subject));
            format!("<iframe {source}=\"{value}\" title=\"{subject}\" loading=\"lazy\" sandbox></iframe>")
        };
        let shown = match &picture.html {
            Some(Html::File(name)) => frame("src", name),
            Some(Html::Within(html)) => frame("srcdoc", html),
            None => format!("<pre>{}</pre>", escaped(&picture.text)),
        };
        let link = |name: &str, words: &str| format!(" · <a href=\"{}\">{words}</a>", escaped(name));
        let mut links = match (&picture.html, &picture.eml) {
            (Some(Html::File(name)), _) | (None, Some(name)) => link(name, "open"),
            (Some(Html::Within(_)), _) | (None, None) => String::new(),
        };
        links += &picture.eml.as_ref().map_or_else(String::new, |eml| link(eml, ".eml"));
        page.push_str(&format!(
            "<article><header><b>{subject}</b><br>{customer} &lt;{to}&gt;<br><i>{level}</i>{links}\
             </header>{shown}</article>\n",
            subject = escaped(&picture.subject),
            customer = escaped(&picture.customer),
            to = escaped(&picture.to),
            level = escaped(&picture.level),
        ));
    }
    page.push_str("</main></body></html>\n");
    page
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;background:#f3f4f6;color:#111}\
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,640px),1fr));gap:1.25rem}\
article{background:#fff;border:1px solid #d1d5db;border-radius:6px;overflow:hidden}\
header{padding:.75rem 1rem;border-bottom:1px solid #e5e7eb}iframe{width:100%;height:520px;border:0}pre{padding:1rem;white-space:pre-wrap}";

/// Returns a text as HTML shows it.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_mail_says_becomes_markup() {
        let evil = "\"><script>alert(1)</script>".to_owned();
        let picture = Picture {
            eml: Some("1.eml".into()),
            html: Some(Html::Within(evil.clone())),
            to: evil.clone(),
            customer: evil.clone(),
            level: evil.clone(),
            subject: evil.clone(),
            text: evil,
        };
        let page = page("Demo", &picture.text.clone(), &[picture]);
        assert!(page.contains(MARK) && page.contains("1.eml"));
        assert!(!page.contains("<script>"), "{page}");
    }
}

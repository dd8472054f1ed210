//! What stands under `company:`: who is owed, and where to be paid.

use crate::config::read::{address, line};
use crate::domain::company::{BankAccount, Company};
use crate::domain::iban::{Bic, Iban};
use crate::domain::money::Currency;
use crate::domain::pay_url::PayUrl;
use crate::payment::creditor_fault;
use crate::yaml::{Entry, Fields, Node, Problems, Span, map, text};

/// The longest name of an account's holder. Source: EPC069-12 (name of the beneficiary), Swiss QR-bill 2.3 §4.3.1.
const HOLDER_CHARACTERS_MAX: usize = 70;

/// Reads what stands under `company:`.
pub(crate) fn company(node: &Node, problems: &mut Problems<'_>) -> Option<Company> {
    let mut fields = Fields::open(node, "a company", problems)?;
    let name = fields.required("name", problems, |node, problems| {
        let name = line(node, problems)?;
        if name.trim().is_empty() {
            problems.error_hint(node.span, "The company's name is empty", "write it as letters show it");
            return None;
        }
        Some(name)
    });
    let mut plain = |key, problems: &mut Problems<'_>| fields.optional(key, problems, line).unwrap_or_default();
    let street = plain("street", problems);
    let city = plain("city", problems);
    let state = plain("state", problems);
    let postal_code = plain("postal_code", problems);
    let country = plain("country", problems);
    let phone = plain("phone", problems);
    let tax_number = plain("tax_number", problems);
    let vat_id = plain("vat_id", problems);
    let registration = plain("registration", problems);
    let management = plain("management", problems);
    let country_code = fields.optional("country_code", problems, country_code).unwrap_or_default();
    let email = fields.optional("email", problems, address).unwrap_or_default();
    let logon_url = fields.optional("logon_url", problems, website).unwrap_or_default();
    let website = fields.optional("website", problems, website).unwrap_or_default();
    let pay_url = fields.optional("pay_url", problems, pay_url);
    let payment_reference = fields.optional("payment_reference", problems, line).unwrap_or_default();
    let accounts = fields.optional("bank_accounts", problems, |node, problems| bank_accounts(node, name.as_deref(), problems));
    let accounts_span = fields.key_span("bank_accounts").unwrap_or(node.span);
    fields.close(problems);
    let company = Company {
        name: name?,
        street,
        city,
        state,
        postal_code,
        country,
        country_code,
        email: email.into(),
        phone,
        website,
        logon_url,
        tax_number,
        vat_id,
        registration,
        management,
        pay_url,
        payment_reference,
        bank_accounts: accounts.unwrap_or_default(),
    };
    for account in &company.bank_accounts {
        if let Some(fault) = creditor_fault(&company, account) {
            let message = format!("No Swiss QR code can be made for {}: {fault}", account.currency);
            let hint =
                "the code names the company with its address: write `postal_code`, `city` and `country_code`, in Latin letters";
            problems.warning_hint(accounts_span, message, hint);
        }
    }
    Some(company)
}

fn bank_accounts(node: &Node, company: Option<&str>, problems: &mut Problems<'_>) -> Option<Vec<BankAccount>> {
    let mut currencies: Vec<Currency> = Vec::new();
    map(|entry, problems: &mut Problems<'_>| {
        // The reader of YAML has seen to it that no key is there twice, but `EUR` and `eur` are two keys.
        let currency = Currency::parse(&entry.key);
        if let Some(twice) = currency.filter(|currency| currencies.contains(currency)) {
            let message = format!("There is an account for {twice} already");
            problems.error_hint(entry.span, message, "one currency has one account");
        }
        currencies.extend(currency);
        bank_account(entry, company, problems)
    })(node, problems)
}

/// Reads the account for a currency; `company` is whose it is where it does not say.
fn bank_account(entry: &Entry, company: Option<&str>, problems: &mut Problems<'_>) -> Option<BankAccount> {
    let currency = Currency::parse(&entry.key);
    if currency.is_none() {
        let message = format!("`{}` is not a currency", entry.key);
        problems.error_hint(entry.span, message, "accounts are named by the currency that is paid on them: `EUR:`");
    }
    let mut fields = Fields::open(&entry.value, "a bank account", problems)?;
    let holder = fields.optional("holder", problems, line);
    let bank = fields.optional("bank", problems, line).unwrap_or_default();
    let iban = fields.optional("iban", problems, iban);
    let qr_iban = fields.optional("qr_iban", problems, |node, problems| qr_iban(node, currency, problems));
    let bic = fields.optional("bic", problems, bic);
    let account_number = fields.optional("account_number", problems, line).unwrap_or_default();
    let routing_number = fields.optional("routing_number", problems, line).unwrap_or_default();
    if fields.node("iban").is_none() && account_number.trim().is_empty() {
        let hint = "add `iban: …`, or `account_number: …` and `routing_number: …` where there are no IBANs";
        problems.error_hint(entry.span, format!("The account for {} has no number", entry.key), hint);
    }
    let span = fields.key_span("holder").unwrap_or(entry.span);
    check_holder(holder.as_deref().or(company).unwrap_or_default(), span, problems);
    fields.close(problems);
    let holder = holder.or_else(|| company.map(str::to_owned))?;
    Some(BankAccount { currency: currency?, holder, bank, iban, qr_iban, bic, account_number, routing_number })
}

fn check_holder(holder: &str, span: Span, problems: &mut Problems<'_>) {
    if holder.chars().count() > HOLDER_CHARACTERS_MAX {
        let message = format!("The account holder `{holder}` has more than {HOLDER_CHARACTERS_MAX} characters");
        problems.error_hint(span, message, "banks and payment codes take no more; write `holder` as the bank knows it");
    }
}

fn iban(node: &Node, problems: &mut Problems<'_>) -> Option<Iban> {
    let found = any_iban(node, problems)?;
    if found.is_qr_iban() {
        let message = format!("`{found}` is a QR-IBAN, which takes payments with a QR reference alone");
        problems.error_hint(node.span, message, "write it as `qr_iban`, and the account's usual number as `iban`");
        return None;
    }
    Some(found)
}

fn qr_iban(node: &Node, currency: Option<Currency>, problems: &mut Problems<'_>) -> Option<Iban> {
    let found = any_iban(node, problems)?;
    if !found.is_qr_iban() {
        let message = format!("`{found}` is not a QR-IBAN");
        let hint = "a QR-IBAN is Swiss and has 30000 to 31999 from its fifth digit on; write any other as `iban`";
        problems.error_hint(node.span, message, hint);
        return None;
    }
    if let Some(currency) = currency.filter(|currency| !["CHF", "EUR"].contains(&currency.as_str())) {
        let message = format!("A QR-IBAN takes CHF and EUR, not {currency}");
        problems.error_hint(node.span, message, "remove it; the account's usual number is enough");
        return None;
    }
    Some(found)
}

fn any_iban(node: &Node, problems: &mut Problems<'_>) -> Option<Iban> {
    let written = text(node, problems)?;
    match Iban::parse(&written) {
        Ok(iban) => Some(iban),
        Err(fault) => {
            problems.error_hint(node.span, format!("`{written}` {fault}"), "copy it from the bank's own papers");
            None
        }
    }
}

fn bic(node: &Node, problems: &mut Problems<'_>) -> Option<Bic> {
    let written = text(node, problems)?;
    let found = Bic::parse(&written);
    if found.is_none() {
        let hint = "write its 8 or 11 letters and digits: `COBADEFFXXX`";
        problems.error_hint(node.span, format!("`{written}` is not a BIC"), hint);
    }
    found
}

fn country_code(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    let is_right = written.len() == 2 && written.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_right {
        problems.error_hint(node.span, format!("`{written}` is not a country's code"), "write two capital letters: `DE`");
    }
    is_right.then_some(written)
}

fn website(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    let rest = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
    let is_right = rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && !"<>\"".contains(c)));
    if !is_right {
        problems.error_hint(node.span, format!("`{written}` is not a page"), "write it like `https://www.example.com`");
    }
    is_right.then_some(written)
}

fn pay_url(node: &Node, problems: &mut Problems<'_>) -> Option<PayUrl> {
    match PayUrl::parse(&text(node, problems)?) {
        Ok(found) => Some(found),
        Err(fault) => {
            problems.error_hint(node.span, fault.message, fault.hint);
            None
        }
    }
}

#[cfg(test)]
mod tests;

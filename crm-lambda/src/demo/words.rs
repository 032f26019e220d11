//! The vocabulary of fictitious people and companies. Names are combined at random, domains end in `.example`, and
//! phone numbers are from ranges reserved for fiction (555-0100 to 555-0199 in North America, those of the
//! Bundesnetzagentur in Germany, those of Arcep in France). Any resemblance is coincidental.

use std::collections::HashSet;

use fastrand::Rng;

/// The region of a company, which determines the team that sells to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// The United States; deals in dollars.
    Americas,
    /// Germany and France; deals in euros.
    Europe,
}

/// A company.
#[derive(Clone, Debug)]
pub(super) struct Firm {
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) industry: &'static str,
    pub(super) region: Region,
    pub(super) place: &'static Place,
    pub(super) employees: i64,
}

/// A person at a company.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) title: &'static str,
}

/// A city with its streets and its reserved phone numbers.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) region: &'static str,
    pub(super) country: &'static str,
    pub(super) postal_code: &'static str,
    street: &'static [&'static str],
    /// The prefix of a reserved number, and the number of digits that follow.
    phone: (&'static str, usize),
    language: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    English,
    German,
    French,
}

macro_rules! places {
    ($($city:literal $region:literal $country:literal $code:literal $streets:ident $phone:literal $digits:literal $language:ident;)*) => {
        &[$(Place {
            city: $city, region: $region, country: $country, postal_code: $code, street: $streets,
            phone: ($phone, $digits), language: Language::$language,
        }),*]
    };
}

const STREETS: &[&str] = &["Harbor Road", "Canal Street", "Depot Avenue", "Mill Lane", "Terminal Drive", "Orchard Way"];
const STRASSEN: &[&str] = &["Hafenstraße", "Am Güterbahnhof", "Lindenallee", "Mühlenweg", "Industriestraße"];
const RUES: &[&str] = &["rue des Entrepôts", "quai du Marché", "avenue des Tilleuls", "rue de la Gare"];

const AMERICAS: &[Place] = places! {
    "Boston" "MA" "US" "02118" STREETS "+161755501" 2 English;
    "New York" "NY" "US" "10013" STREETS "+121255501" 2 English;
    "Philadelphia" "PA" "US" "19148" STREETS "+121555501" 2 English;
    "Chicago" "IL" "US" "60607" STREETS "+131255501" 2 English;
    "Atlanta" "GA" "US" "30318" STREETS "+140455501" 2 English;
    "Denver" "CO" "US" "80216" STREETS "+130355501" 2 English;
    "Seattle" "WA" "US" "98134" STREETS "+120655501" 2 English;
    "Portland" "OR" "US" "97210" STREETS "+150355501" 2 English;
    "Austin" "TX" "US" "78702" STREETS "+151255501" 2 English;
};

const EUROPE: &[Place] = places! {
    "Berlin" "BE" "DE" "10317" STRASSEN "+493023125" 3 German;
    "Hamburg" "HH" "DE" "20539" STRASSEN "+494066969" 3 German;
    "München" "BY" "DE" "80939" STRASSEN "+498999998" 3 German;
    "Köln" "NW" "DE" "50968" STRASSEN "+492214710" 3 German;
    "Frankfurt am Main" "HE" "DE" "60314" STRASSEN "+496990009" 3 German;
    "Paris" "IDF" "FR" "75019" RUES "+33199" 6 French;
    "Lyon" "ARA" "FR" "69007" RUES "+3346571" 4 French;
    "Lille" "HDF" "FR" "59000" RUES "+3335301" 4 French;
    "Nantes" "PDL" "FR" "44300" RUES "+3326191" 4 French;
};

/// Both halves of a company's name, by language; umlauts as they are written.
const HEADS: [&[&str]; 3] = [
    &[
        "Salt", "Orchard", "Tall", "Bracken", "Hollow", "Quarry", "Amber", "Fern", "Thistle", "Copper", "Wren",
        "Elder", "Marsh", "Briar", "Stone", "Willow", "Otter", "Slate",
    ],
    &["Nord", "Alten", "Grün", "Stein", "Linden", "Birken", "Rot", "Falken", "Weiden", "Ahorn", "Silber", "Eichen"],
    &["Val", "Mont", "Beau", "Clair", "Haut", "Roche", "Fonte", "Mar", "Belle", "Grand"],
];
const TAILS: [&[&str]; 3] = [
    &["marsh", "vale", "brook", "field", "ford", "haven", "ridge", "wick", "mere", "gate", "combe", "holt"],
    &["feld", "bach", "tal", "brück", "horst", "moor", "hagen", "berg"],
    &["brun", "court", "mont", "vert", "rive", "pierre", "lieu", "val"],
];

/// Industries and the corresponding words in company names, by language.
const INDUSTRIES: &[(&str, [&[&str]; 3])] = &[
    ("Food distribution", [&["Provisions", "Foods", "Produce"], &["Feinkost", "Frischdienst"], &["Primeurs"]]),
    ("Dairy", [&["Dairy", "Creamery"], &["Molkerei"], &["Laiterie"]]),
    ("Pharmacy", [&["Pharmacies", "Apothecary"], &["Apotheken"], &["Pharmacies"]]),
    ("Logistics", [&["Cold Freight", "Cold Storage"], &["Kühllogistik"], &["Transports"]]),
    ("Laboratories", [&["Laboratories", "Diagnostics"], &["Labor"], &["Laboratoires"]]),
    ("Hospitals", [&["Clinics", "Health"], &["Kliniken"], &["Cliniques"]]),
    ("Biotechnology", [&["Biologics", "Genomics"], &["Biotechnik"], &["Biotech"]]),
];

const FIRST_NAMES: [&[&str]; 3] = [
    &[
        "Ada", "Bernice", "Calvin", "Delia", "Emmett", "Farah", "Gideon", "Harriet", "Imani", "Jasper", "Keiko",
        "Lionel", "Maya", "Nadia", "Orson", "Pilar", "Quentin", "Rosalind", "Silas", "Tamsin", "Uma", "Vernon",
        "Winnie", "Yusuf",
    ],
    &["Anke", "Bastian", "Cem", "Dörte", "Falk", "Gesine", "Heiner", "Jule", "Kaya", "Malte", "Svenja", "Wiebke"],
    &["Agathe", "Bastien", "Céline", "Didier", "Élodie", "Fabrice", "Inès", "Loïc", "Maëlle", "Romain", "Solène"],
];
const LAST_NAMES: [&[&str]; 3] = [
    &[
        "Abernethy",
        "Bellweather",
        "Castleberry",
        "Dunmore",
        "Everhart",
        "Farraday",
        "Gallowglass",
        "Hathersage",
        "Inglewood",
        "Jessamine",
        "Kettleworth",
        "Lockridge",
        "Merriwether",
        "Nakagawa",
        "Okonjo",
        "Pemberley",
        "Quillfeather",
        "Ravenscroft",
        "Sandoval",
        "Thackeray",
        "Underhill",
        "Vandermeer",
        "Whitcombe",
        "Yarrow",
    ],
    &[
        "Achternbusch",
        "Brinkhege",
        "Dornseif",
        "Eickhorst",
        "Fahrenkamp",
        "Grünewalder",
        "Hölscher",
        "Karakoyun",
        "Lüttjohann",
    ],
    &["Aubrac", "Beaucourt", "Chantelou", "Delaunoy", "Esterel", "Fontvieille", "Garrigou", "Hautecœur", "Kerbrat"],
];

const TITLES: &[&str] = &[
    "Head of quality",
    "Operations manager",
    "Facilities manager",
    "Warehouse manager",
    "Chief operating officer",
    "Purchasing lead",
    "Laboratory manager",
    "Compliance officer",
    "IT manager",
    "Finance director",
];

/// A random element.
pub(super) fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

/// A random element, by weight.
pub(super) fn weighted<T: Copy>(rng: &mut Rng, of: &[(T, u32)]) -> T {
    let mut left = rng.u32(..of.iter().map(|&(_, weight)| weight).sum::<u32>());
    for &(item, weight) in of {
        if left < weight {
            return item;
        }
        left -= weight;
    }
    of[0].0
}

/// Generates unique companies and people.
#[derive(Debug, Default)]
pub(super) struct Directory {
    domains: HashSet<String>,
    emails: HashSet<String>,
}

impl Directory {
    /// Generates a company.
    pub(super) fn firm(&mut self, rng: &mut Rng, region: Region) -> Firm {
        loop {
            let place = &(if region == Region::Americas { AMERICAS } else { EUROPE });
            let place = &place[rng.usize(..place.len())];
            let language = place.language as usize;
            let (industry, called) = pick(rng, INDUSTRIES);
            let (head, tail) = (pick(rng, HEADS[language]), pick(rng, TAILS[language]));
            let kind = pick(rng, called[language]);
            let same = head.to_lowercase() == tail;
            let name = match place.language {
                Language::French => format!("{kind} {head}{tail}"),
                _ => format!("{head}{tail} {kind}"),
            };
            let domain = format!("{}.example", ascii(&format!("{head}{tail}-{kind}")));
            // The first half of a name is used once: `Saltmarsh Foods` and `Saltmarsh Dairy` would look related.
            if same || !self.domains.insert(ascii(&format!("{head}{tail}"))) {
                continue;
            }
            let employees = pick(rng, &[14, 30, 45, 60, 90, 140, 220, 380, 650, 1200]) + rng.i64(0..13);
            return Firm { name, domain, industry, region, place, employees };
        }
    }

    /// Generates a person at a company, with a unique address.
    pub(super) fn person(&mut self, rng: &mut Rng, firm: &Firm) -> Person {
        loop {
            // One in six has a name of any of the languages.
            let language = if rng.u8(..6) == 0 { rng.usize(..3) } else { firm.place.language as usize };
            let (first, last) = (pick(rng, FIRST_NAMES[language]), pick(rng, LAST_NAMES[language]));
            let email = format!("{}.{}@{}", ascii(first), ascii(last), firm.domain);
            if self.emails.insert(email.clone()) {
                return Person { first, last, email, phone: phone(rng, firm.place), title: pick(rng, TITLES) };
            }
        }
    }
}

/// Generates a reserved phone number.
pub(super) fn phone(rng: &mut Rng, place: &Place) -> String {
    let (prefix, digits) = place.phone;
    let mut number = prefix.to_owned();
    // Of 01 99 the block 00 is reserved.
    let zeros = if digits == 6 { 2 } else { 0 };
    number.push_str(&"0".repeat(zeros));
    number.extend((zeros..digits).map(|_| char::from(b'0' + rng.u8(..10))));
    number
}

/// Generates a street and number.
pub(super) fn street(rng: &mut Rng, place: &Place) -> String {
    let (street, number) = (pick(rng, place.street), rng.u16(1..240));
    if place.language == Language::German { format!("{street} {number}") } else { format!("{number} {street}") }
}

/// Transliterates a text for a domain or an address.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.to_lowercase().chars() {
        match c {
            'ä' => plain.push_str("ae"),
            'ö' | 'œ' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'ß' => plain.push_str("ss"),
            'é' | 'è' | 'ë' => plain.push('e'),
            'ï' => plain.push('i'),
            ' ' => plain.push('-'),
            c if c.is_ascii_alphanumeric() || c == '-' => plain.push(c),
            _ => {}
        }
    }
    plain
}

//! Who the five banks are: how many applications they have, and from whom.

/// Regions, in the order of [`Mix::regions`] and of the task's schema.
pub const REGIONS: [&str; 4] = ["north", "south", "coast", "inland"];

/// Purposes of a loan, in the order of the task's schema.
pub const PURPOSES: [&str; 5] = ["car", "home", "education", "business", "debt"];

/// What a bank's customers are made of. Shares need not sum to one.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Shares of the kinds of people: starters, families, traders (self-employed), retired.
    pub people: [f64; 4],
    /// Shares of [`REGIONS`].
    pub regions: [f64; 4],
    /// How pressed the customers are for money, about -1..=1: moves debts, utilisation and late payments.
    pub strain: f64,
}

/// One bank of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    /// Short name, also the stem of its file.
    pub name: &'static str,
    /// Position from 1; picks the bank's stream of the seed.
    pub position: u16,
    /// What kind of bank it is, for people.
    pub about: &'static str,
    /// Number of applications.
    pub rows: usize,
    /// Its customers.
    pub mix: Mix,
}

/// The five banks, largest first.
pub const BANKS: [Bank; 5] = [
    Bank {
        name: "bank-a",
        position: 1,
        about: "a universal bank in the north",
        rows: 6_000,
        mix: Mix {
            people: [0.2, 0.5, 0.15, 0.15],
            regions: [0.7, 0.1, 0.15, 0.05],
            strain: -0.25,
        },
    },
    Bank {
        name: "bank-b",
        position: 2,
        about: "a savings bank in the south",
        rows: 3_600,
        mix: Mix {
            people: [0.1, 0.55, 0.05, 0.3],
            regions: [0.05, 0.8, 0.05, 0.1],
            strain: -1.3,
        },
    },
    Bank {
        name: "bank-c",
        position: 3,
        about: "a business bank on the coast",
        rows: 2_200,
        mix: Mix {
            people: [0.1, 0.2, 0.65, 0.05],
            regions: [0.1, 0.1, 0.75, 0.05],
            strain: 0.0,
        },
    },
    Bank {
        name: "bank-d",
        position: 4,
        about: "an online lender for the young",
        rows: 1_400,
        mix: Mix {
            people: [0.8, 0.1, 0.1, 0.0],
            regions: [0.3, 0.2, 0.3, 0.2],
            strain: 0.7,
        },
    },
    Bank {
        name: "bank-e",
        position: 5,
        about: "a cooperative bank inland",
        rows: 900,
        mix: Mix {
            people: [0.15, 0.3, 0.15, 0.4],
            regions: [0.05, 0.1, 0.05, 0.8],
            strain: 0.1,
        },
    },
];

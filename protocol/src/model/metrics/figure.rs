/// A figure of a model's quality, with its number in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Figure {
    /// Share of the rows with label 1.
    PositiveShare = 1,
    /// Area under the ROC curve: the chance that a positive scores above a negative, rows in one bin counting as ties, half. Undefined when a class is missing.
    Auc = 2,
    /// Kolmogorov-Smirnov: the largest distance between the classes' distributions of scores, taken at the bins' edges. Undefined when a class is missing.
    Ks = 3,
    /// Average precision: precision at each bin's lower edge, weighted by the recall gained in the bin. Undefined without positives.
    AveragePrecision = 4,
    /// Brier score: the mean squared distance of score and label, a row's score taken as the middle of its bin.
    Brier = 5,
    /// Mean log loss in nats.
    LogLoss = 6,
    /// Expected calibration error (Naeini et al. 2015) over ten groups of equal score width, a row's score taken as the middle of its bin: the mean
    /// distance between predicted and seen rate.
    CalibrationError = 7,
    /// Share of the rows whose class was predicted.
    Accuracy = 8,
    /// Mean over the classes of F1, the harmonic mean of precision and recall; 0 for a class that is neither seen nor predicted rightly, as in scikit-learn.
    /// Classes that no row has and no row was given are left out.
    MacroF1 = 9,
    /// Root of the mean squared error, in units of the label's agreed scale (0 to 1 from its least to its greatest value).
    Rmse = 10,
    /// Mean absolute error, in the same units.
    Mae = 11,
    /// Share of the label's variance that the predictions explain; undefined for a constant label.
    RSquared = 12,
    /// Demographic parity difference: the greatest share of a group that is taken for the favourable label, less the least. This and the other figures
    /// over groups leave out shares of fewer than [`LEAST_GROUP_ROWS`](super::LEAST_GROUP_ROWS) rows, and are undefined with fewer than two.
    ParityDifference = 13,
    /// Disparate impact ratio: that least share by the greatest; the four-fifths rule wants 0.8.
    ImpactRatio = 14,
    /// Equal opportunity difference: as 13, among the rows that have the favourable label.
    OpportunityDifference = 15,
    /// Equalised odds difference: the greater of 15 and the same among the rows that have the other label.
    OddsDifference = 16,
}

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
    /// Says nothing of the model.
    Neither,
}

impl Figure {
    /// All of them, ascending.
    pub const ALL: [Self; 16] = [
        Self::PositiveShare,
        Self::Auc,
        Self::Ks,
        Self::AveragePrecision,
        Self::Brier,
        Self::LogLoss,
        Self::CalibrationError,
        Self::Accuracy,
        Self::MacroF1,
        Self::Rmse,
        Self::Mae,
        Self::RSquared,
        Self::ParityDifference,
        Self::ImpactRatio,
        Self::OpportunityDifference,
        Self::OddsDifference,
    ];

    /// The figure of this number in the log.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.number() == number)
    }

    /// The figure of this name, see [`Figure::key`].
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.key() == key)
    }

    /// Its number in the log.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name in JSON, CSV and metrics.
    pub fn key(self) -> &'static str {
        match self {
            Self::PositiveShare => "positive_share",
            Self::Auc => "auc",
            Self::Ks => "ks",
            Self::AveragePrecision => "average_precision",
            Self::Brier => "brier",
            Self::LogLoss => "log_loss",
            Self::CalibrationError => "calibration_error",
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::RSquared => "r_squared",
            Self::ParityDifference => "demographic_parity_difference",
            Self::ImpactRatio => "disparate_impact_ratio",
            Self::OpportunityDifference => "equal_opportunity_difference",
            Self::OddsDifference => "equalised_odds_difference",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::PositiveShare => "Share of positives",
            Self::Auc => "AUC",
            Self::Ks => "KS",
            Self::AveragePrecision => "Average precision",
            Self::Brier => "Brier score",
            Self::LogLoss => "Log loss",
            Self::CalibrationError => "Calibration error",
            Self::Accuracy => "Accuracy",
            Self::MacroF1 => "Macro F1",
            Self::Rmse => "RMSE",
            Self::Mae => "MAE",
            Self::RSquared => "R\u{b2}",
            Self::ParityDifference => "Demographic parity difference",
            Self::ImpactRatio => "Disparate impact ratio",
            Self::OpportunityDifference => "Equal opportunity difference",
            Self::OddsDifference => "Equalised odds difference",
        }
    }

    /// Which way it should go.
    pub fn better(self) -> Better {
        match self {
            Self::PositiveShare => Better::Neither,
            Self::Auc
            | Self::Ks
            | Self::AveragePrecision
            | Self::Accuracy
            | Self::MacroF1
            | Self::RSquared
            | Self::ImpactRatio => Better::Higher,
            Self::Brier
            | Self::LogLoss
            | Self::CalibrationError
            | Self::Rmse
            | Self::Mae
            | Self::ParityDifference
            | Self::OpportunityDifference
            | Self::OddsDifference => Better::Lower,
        }
    }

    /// Whether it compares groups of people. Only the round that evaluates the last model has it.
    pub fn compares_groups(self) -> bool {
        self >= Self::ParityDifference && self <= Self::OddsDifference
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_ascend_and_lead_back() {
        let numbers: Vec<u8> = Figure::ALL.into_iter().map(Figure::number).collect();
        assert_eq!(numbers, (1..=16).collect::<Vec<u8>>());
        for figure in Figure::ALL {
            assert_eq!(Figure::from_number(figure.number()), Some(figure));
            assert_eq!(Figure::from_key(figure.key()), Some(figure));
        }
        assert_eq!(Figure::from_number(0), None);
        assert_eq!(Figure::from_number(17), None);
    }
}

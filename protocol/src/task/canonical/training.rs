use crate::model::Target;

use super::super::{
    Aggregation, EarlyStopping, Keep, LocalOptimiser, Loss, Schedule, ServerOptimiser, TrainingSpec,
    Weighting,
};
use super::{Form, list, real, text};

/// Keys that are newer than the form stand in it only where they are not at their default.
pub(super) fn body(out: &mut Form, training: &TrainingSpec, target: Target) {
    let name = match training.optimiser {
        LocalOptimiser::Sgd => "sgd",
        LocalOptimiser::Momentum { .. } => "momentum",
        LocalOptimiser::Adam => "adam",
        LocalOptimiser::AdamW => "adamw",
        LocalOptimiser::Adagrad => "adagrad",
        LocalOptimiser::RmsProp => "rmsprop",
    };
    out.line("optimiser", text(name));
    if let LocalOptimiser::Momentum { momentum, nesterov } = training.optimiser {
        out.line("momentum", real(momentum));
        if nesterov {
            out.line("nesterov", true);
        }
    }
    out.line("learning_rate", real(training.learning_rate));
    match training.schedule {
        Schedule::Constant => {}
        Schedule::Cosine => out.line("schedule", text("cosine")),
        Schedule::Step { rounds, factor } => {
            out.line("schedule", text("step"));
            out.line("step_rounds", rounds);
            out.line("step_factor", real(factor));
        }
    }
    out.line("weight_decay", real(training.weight_decay));
    out.line("batch_size", training.batch_size);
    out.line("local_epochs", training.local_epochs);
    out.line("fedprox_mu", real(training.fedprox_mu));
    if training.loss != Loss::default_for(target) {
        out.line("loss", text(training.loss.name()));
    }
    match training.loss {
        Loss::CrossEntropy | Loss::MeanSquared => {}
        Loss::Focal { gamma } => out.line("gamma", real(gamma)),
        Loss::Huber { delta } => out.line("delta", real(delta)),
        Loss::Quantile { quantile } => out.line("quantile", real(quantile)),
    }
    if !training.class_weights.is_empty() {
        let weights = training.class_weights.iter();
        out.line("class_weights", list(weights.map(|weight| real(*weight))));
    }
    if let Some(norm) = training.clip_gradient_norm {
        out.line("clip_gradient_norm", real(norm));
    }
    if training.control_variates {
        out.line("control_variates", true);
    }
    if !training.personal.is_empty() {
        let groups = training.personal.iter();
        out.line("personal", list(groups.map(|group| text(group))));
    }
}

/// The lines of a task's table `aggregation`.
pub(super) fn aggregation(out: &mut Form, aggregation: &Aggregation) {
    let (name, beta1, beta2, tau) = match aggregation.optimiser {
        ServerOptimiser::FedAvg => ("fedavg", None, None, None),
        ServerOptimiser::FedAvgM { beta1 } => ("fedavgm", Some(beta1), None, None),
        ServerOptimiser::FedAdam { beta1, beta2, tau } => ("fedadam", Some(beta1), Some(beta2), Some(tau)),
        ServerOptimiser::FedYogi { beta1, beta2, tau } => ("fedyogi", Some(beta1), Some(beta2), Some(tau)),
        ServerOptimiser::FedAdagrad { beta1, tau } => ("fedadagrad", Some(beta1), None, Some(tau)),
    };
    out.line("optimiser", text(name));
    out.line("learning_rate", real(aggregation.learning_rate));
    for (key, value) in [("beta1", beta1), ("beta2", beta2), ("tau", tau)] {
        if let Some(value) = value {
            out.line(key, real(value));
        }
    }
    let weighting = match aggregation.weighting {
        Weighting::Examples => "examples",
        Weighting::Equal => "equal",
    };
    out.line("weighting", text(weighting));
    out.line("max_weight", aggregation.max_weight);
}

/// The lines of a task's table `early_stopping`, which is there only where the task has one.
pub(super) fn early_stopping(out: &mut Form, stopping: &EarlyStopping) {
    out.line("figure", text(stopping.figure.key()));
    out.line("patience", stopping.patience);
    out.line("least_gain", real(stopping.least_gain));
    let keep = match stopping.keep {
        Keep::Best => "best",
        Keep::Last => "last",
    };
    out.line("keep", text(keep));
}

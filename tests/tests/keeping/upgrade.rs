//! The coordinator and then every bank are replaced, as an upgrade does, while rounds go on.

use veilsum_examples::demo::consortium::COORDINATOR;

use crate::scene::Scene;

#[test]
fn everybody_is_replaced_one_after_another_and_no_round_is_lost() {
    let scene = Scene::enrolled(40, 60);
    scene.run();
    scene.results("the first rounds", 2);
    let daemons: Vec<&str> = std::iter::once(COORDINATOR)
        .chain(scene.banks.iter().map(String::as_str))
        .collect();
    for daemon in daemons {
        // In the middle of a round, whatever its phase.
        scene.wait("an open round", |status| status.round.is_some());
        scene.stop(daemon);
        scene.start(daemon);
        scene.results("rounds after it was replaced", 2);
    }
    let history = scene.finish();
    // Every round that was opened was published, at its first try, with every bank in the sum.
    let all = Some(scene.banks.clone());
    for (step, story) in (0..).zip(history.rounds()) {
        assert!(story.is_published(), "{story:?}");
        assert_eq!((story.step, &story.survivors), (step, &all), "{story:?}");
    }
}

//! What the machine refuses: a port, a store that is open, a disk without room.

use std::net::UdpSocket;

use veilsum_coordinator::store::sled::SledStore;

use crate::scene::Scene;

#[test]
fn a_port_in_use_is_told_by_its_number() {
    let scene = Scene::new();
    let address = format!("127.0.0.1:{}", scene.port);
    let _held = UdpSocket::bind(&address).unwrap();
    scene
        .program(&["run"])
        .says(1, &["cannot listen on UDP", &address, "set another `listen`"]);
}

#[test]
fn a_second_coordinator_in_the_folder_is_refused() {
    let scene = Scene::new();
    let _held = SledStore::open(&scene.path("data/store")).unwrap();
    scene.program(&["run"]).says(
        1,
        &[
            "data/store: already in use by another process",
            "stop the other coordinator",
        ],
    );
}

#[test]
fn a_disk_without_room_is_told_with_the_path_and_the_remedy() {
    let scene = Scene::new();
    let data = scene.path("data");
    scene.program_with_room(0, &["run"]).says(
        1,
        &[
            data.to_str().unwrap(),
            "File too large",
            "ulimit -f",
            "it goes on where it stopped",
        ],
    );
    // With room again, it goes on.
    scene.daemon().says("serves 3 banks of demo");
}

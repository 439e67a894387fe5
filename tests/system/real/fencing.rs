//! Two listeners and one database: whoever stood still too long is refused, and a new one is at work within seconds.

use std::time::{Duration, Instant};

use testkit::checker;
use testkit::poll::eventually;

use super::load::Load;
use crate::client::Shop;
use crate::deployment::{Deployment, Real, stats};
use crate::program::folder;
use testkit::process::{SOON, report};

const LEASE_SECONDS: u32 = 2;
const AT_WORK_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_stopped_past_its_lease_under_load_is_followed_and_refused_when_it_goes_on() {
    let Some(mut deployment) = Deployment::real_with(|real| real.with_lease_seconds(LEASE_SECONDS)).await else {
        return;
    };
    let shop = Shop::of(&deployment).await;
    let load = Load::start(&shop).await;
    let mut stopped = deployment.real_parts().take_active().await;
    let began = Instant::now();
    stopped.process.signal("-STOP");
    let standby = deployment.real_parts().listeners[0].base.clone();
    eventually(SOON, async || stats(&standby).await["writer"] == "active").await;
    report(&format!("followed after {:?}", began.elapsed()));
    load.get_on(200).await;
    if stopped.process.runs() {
        stopped.process.signal("-CONT");
        assert_eq!(stopped.process.ended(), Some(1), "it finds another epoch");
        let said = stopped.process.log();
        assert!(said.contains("another writer has taken over"), "{said}");
    } else {
        // It held SQLite's write lock when it was stopped, so the one that followed has ended it.
        assert_eq!(stopped.process.ended(), None, "ended by a signal");
    }
    load.get_on(200).await;
    load.stop().await;
    deployment.quiet().await;
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_started_again_is_at_work_within_three_seconds() {
    let (folder, database) = folder();
    let Some(mut real) = Real::without_services(folder.path(), &database).await else { return };
    real.add_listener(&[]);
    real.add_query();
    real.add_command();
    real.ready().await;
    let mut deployment = Deployment::of(folder, database, real);
    let shop = Shop::of(&deployment).await;
    let created = shop.create("AGAIN", 0).await.expect("accepted");
    assert_eq!(shop.outcome(&created).await, "applied");
    for ending in ["-INT", "-KILL"] {
        let mut listener = deployment.real_parts().take_active().await;
        listener.process.signal(ending);
        listener.process.ended();
        let waiting = shop.adjust("AGAIN", 1).await.expect("a 202 needs no listener");
        let began = Instant::now();
        deployment.real_parts().add_listener(&[]);
        assert_eq!(shop.outcome(&waiting).await, "applied");
        let took = began.elapsed();
        report(&format!("at work {took:?} after {ending}"));
        assert!(took < AT_WORK_WITHIN, "{took:?} after {ending}");
    }
    deployment.quiet().await;
    deployment.interrupt();
    checker::check(&deployment.database, &shop.history()).assert_clean();
}

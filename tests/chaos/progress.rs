//! How far the run is, for who watches it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The number of faults, those that came, and what happens now. Without a terminal a line now and then.
pub(crate) fn bar(faults: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(faults), ProgressDrawTarget::stderr_with_hz(4));
    let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} faults  {wide_msg}");
    bar.set_style(style.expect("a template of ours"));
    bar
}

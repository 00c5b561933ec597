//! `daicho demo`: a working day of the first user, played on a fresh ledger with a scripted
//! model and a syslog receiver of its own. Everything else is the program as it is.

mod acts;
mod day;
mod receiver;
mod stage;
mod tell;
pub mod upstream;

use crate::outcome::{Done, Outcome};
use stage::Stage;

pub fn run(once: bool) -> Done {
    let started = std::time::Instant::now();
    let mut stage = Stage::set()?;
    acts::open(&stage);
    acts::people(&mut stage)?;
    acts::work(&mut stage)?;
    acts::forbidden(&mut stage)?;
    acts::scan(&mut stage)?;
    acts::siem(&stage)?;
    acts::verify(&stage)?;
    acts::report(&stage)?;
    acts::close(&stage, started.elapsed());
    if !once {
        stage.wait_for_interrupt();
    }
    stage.strike();
    Ok(Outcome::Well)
}

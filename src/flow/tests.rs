use std::sync::{Arc, Mutex};

use super::*;

/// dx/dt = t - x, whose end point from x is (x + 1) / e. Unconditional velocities are all 0.
#[derive(Debug, Default)]
struct Decay {
    steps: usize,
    /// Grid point and branches of each evaluation.
    evaluated: Arc<Mutex<Vec<(usize, usize)>>>,
    result: Vec<f32>,
}

impl VelocityField for Decay {
    fn prepare(&mut self, steps: usize, _: &Pool) -> Result<()> {
        self.steps = steps;
        Ok(())
    }

    fn condition(&mut self, _: &[f32], _: &Pool) -> Result<()> {
        Ok(())
    }

    fn velocities(&mut self, step: usize, x: &[f32], branches: usize, _: &Pool) -> Result<&[f32]> {
        self.evaluated.lock().unwrap().push((step, branches));
        let t = step as f32 / self.steps as f32;
        self.result = x.iter().map(|x| t - x).collect();
        self.result.resize(branches * x.len(), 0.0);
        Ok(&self.result)
    }

    fn step_bytes(&self) -> usize {
        10
    }

    fn condition_bytes(&self) -> usize {
        1
    }

    fn device(&self) -> &str {
        "test"
    }
}

/// The error of the end point, and the evaluations that it took.
fn solve(solver: Solver) -> (f32, Vec<(usize, usize)>) {
    let field = Decay::default();
    let evaluated = field.evaluated.clone();
    let mut flow = FlowHead::over(Box::new(field), 2, 1, 0);
    let start = [0.5, -2.0];
    let mut x = start;
    let mut watched = 0;
    flow.solve(&[0.0], solver, &mut x, &Pool::new(1), |_| watched += 1).unwrap();
    assert_eq!(watched, solver.steps, "{solver}");
    let exact = start.map(|x| (x + 1.0) / std::f32::consts::E);
    let error = x.iter().zip(exact).map(|(x, exact)| (x - exact).abs()).fold(0.0, f32::max);
    let evaluated = evaluated.lock().unwrap().clone();
    (error, evaluated)
}

fn unguided(method: Method, steps: usize) -> Solver {
    Solver { method, ..Solver::euler(steps, 1.0) }
}

#[test]
fn every_method_evaluates_as_many_velocities_as_it_was_given_steps() {
    for method in [Method::Euler, Method::Midpoint, Method::Heun] {
        for steps in 1..=8 {
            let solver = unguided(method, steps);
            assert_eq!(solve(solver).1.len(), steps, "{solver}");
        }
    }
}

#[test]
fn twice_the_steps_halve_the_error_of_euler_and_quarter_that_of_the_others() {
    for (method, least, most) in [(Method::Euler, 1.8, 2.2), (Method::Midpoint, 3.5, 4.6), (Method::Heun, 3.5, 4.6)] {
        let [coarse, fine] = [8, 16].map(|steps| solve(unguided(method, steps)).0);
        let ratio = coarse / fine;
        assert!((least..most).contains(&ratio), "{method:?}: {coarse} and {fine}");
    }
}

#[test]
fn an_odd_evaluation_is_a_step_of_euler_at_the_end() {
    let at = |method| -> Vec<usize> { solve(unguided(method, 5)).1.into_iter().map(|(at, _)| at).collect() };
    assert_eq!(at(Method::Euler), [0, 1, 2, 3, 4]);
    assert_eq!(at(Method::Midpoint), [0, 1, 2, 3, 4]);
    assert_eq!(at(Method::Heun), [0, 2, 2, 4, 4]);
    assert_eq!(solve(unguided(Method::Heun, 1)).0, solve(unguided(Method::Euler, 1)).0);
}

#[test]
fn guidance_is_left_out_where_it_is_not_wanted() {
    let branches = |solver| -> Vec<usize> { solve(solver).1.into_iter().map(|(_, branches)| branches).collect() };
    let guided = Solver::euler(7, 1.2);
    assert_eq!(branches(guided), [2; 7]);
    assert_eq!(branches(Solver { guided: Guided::FirstHalf, ..guided }), [2, 2, 2, 2, 1, 1, 1]);
    assert_eq!(branches(Solver { guidance: 1.0, ..guided }), [1; 7]);
    // With the unconditional velocity 0, guidance of g multiplies the first half's velocities by g.
    let scaled = solve(Solver { guided: Guided::FirstHalf, ..guided }).0;
    assert!(scaled != solve(guided).0 && scaled != solve(Solver::euler(7, 1.0)).0);
}

#[test]
fn a_frame_reads_the_weights_once_per_evaluation() {
    let flow = FlowHead::over(Box::new(Decay::default()), 2, 1, 0);
    for method in [Method::Euler, Method::Midpoint, Method::Heun] {
        assert_eq!(flow.frame_bytes(unguided(method, 6)), 61);
    }
}

use super::*;

#[test]
fn a_long_recording_is_cut_where_it_is_quiet() {
    let mut window: Vec<f32> = (0..29 * 16_000).map(|i| if i % 2 == 0 { 0.5 } else { -0.5 }).collect();
    let pause = 27 * 16_000..27 * 16_000 + 3_200;
    window[pause.clone()].fill(0.0);
    assert!(pause.contains(&quietest(&window, 16_000)));
    for len in [1, 1_600, 16_000] {
        let cut = quietest(&vec![0.1; len.max(3_200)], 16_000);
        assert!(cut > 0 && cut <= len.max(3_200), "{cut} of {len}");
    }
}

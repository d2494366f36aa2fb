"""Names of earlier versions, which must not come back: by a pattern of files, in which `*` matches slashes too."""

CODE = """
    Distortions EmotionDistortion EvaluateHead HEADS Head Judged LABEL_SETS Lane SMALL_CLUSTER STATISTICS_BATCH
    Teaching TrainHead Unusable VALIDATION_BATCH _Keeper add_biases alike_but_hashed_apart answered
    answering_network built_network by_lot caution check_leaks class_share compile_network count_items crop_side
    cut_faces cut_out cut_squares detection_side distort_images distort_points draw_distorted draw_distortions
    duplicate_figures emotion_contract emotion_facts emotion_network emotion_rules ends_of error_curve_auc
    error_curve_figure faces_drawn finder_of first_member fit_biases fit_head fit_network flip_averaging
    flip_figures forget_states found_by_yunet found_faces grouped_parts images_in_two_parts in_terms_of_answers
    initialise is_tree items_of judge_emotion judge_heads judge_keypoints judge_slices judge_table judged_at
    judged_networks judged_together keep_picture keep_reference keep_state keep_table kept_state keypoint_contract
    keypoint_facts keypoint_rules keypoints_network label_set label_shift leaks_rule leave_markdown leave_picture
    leave_table load_evaluated load_network load_part max_clipped max_cluster max_distance max_missing max_p max_psi
    max_quarantined max_share_difference max_share_of_baseline mean_network measure_of min_confidence min_deviation
    min_share_of_gap min_sharpness mirrored_back mirrored_predictions most_pixels multiply_adds
    near_duplicate_pairs_across_parts near_pairs none_surely_over none_surely_under official_parts
    persons_in_two_parts pixel_facts plain_predictions points_figure predictions_of predictors put_back random_parts
    refit_biases renew_statistics report_quality report_verdict require_pass retry_seconds robustness_faces
    run_lanes save_evaluated save_network save_part set_aside shard_items share_differences split_after_augmenting
    statistics_faces statistics_of surest_first taken_out teaching_of untempered verdict verdict_figure verdicts
    with_temperature write_page write_tree
    flows.operate flows.repro flows.serve flows.stage dvc_plan plan_ahead planned
"""
SETTINGS = """
    answers augment conflicts crop_side descent detection_side distortion emotion_rows erase eye_distance
    faces_drawn flip_averaging halvings keypoints_rows kind label_set label_shift max_clipped max_cluster
    max_distance max_missing max_p max_psi max_quarantined max_share_difference max_share_of_baseline members
    min_confidence min_deviation min_sharpness min_share_of_gap most_pixels network notify protocol refit_biases
    retry_seconds robustness_faces rotation rounds shard_items smoothing statistics_faces warmup
"""
REPORTS = """
    alike_but_hashed_apart answers error_curve_auc failure_rate flip_averaged_accuracy flip_averaging flip_gain_accuracy
    found head images_in_two_parts leaking leaks multiply_adds near_duplicate_pairs_across_parts
    persons_in_two_parts plain_accuracy plain_nme protocol rule rules test_groups test_rows test_rows_with_duplicates
    undecided     usual
    with_duplicates_accuracy with_duplicates_nme without_duplicates_accuracy without_duplicates_nme
"""

OLD_NAMES: dict[str, str] = {
    **{f"{folder}/*.py": CODE for folder in ("benchmarks", "docs", "faces", "flows", "params", "tasks", "tests")},
    "params.yaml": SETTINGS,
    "conf/*.yaml": SETTINGS,
    "dvc.yaml": "item.head tasks/score.py verdict parts.csv pairs.csv data/valid data/evaluated models/unfinished "
    "errors.png points.png worst.png",
    "README.md": "flows.score flows.pipeline flows.promote flows.inbox params.py --rollback "
    "--models --faces verdict.json parts.csv arrived.csv page.html data/from_inbox",
    "data/README.md": "data/valid data/evaluated data/from_inbox",
    "models/README.md": "models/unfinished",
    "models/*/gate.json": REPORTS,
    "docs/*/*.json": REPORTS,
    "reports/gate.json": REPORTS,
    "reports/metrics/*.json": REPORTS,
    "reports/prepare/*.json": REPORTS + "persons clusters class_shares labelled_shares normalisation",
    "reports/train/*.json": REPORTS,
}

READERS = {
    "params/renamed.py",
    "tasks/models/old_layout.py",
    "tests/models/test_old_layout.py",
    "tests/release/test_old_versions.py",
    "tests/scoring/test_inbox.py",
    "tests/test_params.py",
}
"""What reads an earlier version, or tests that, and so knows its names."""

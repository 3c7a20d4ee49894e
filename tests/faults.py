"""What must survive, and the tests that show it: nothing that existed is lost, and there is one plain sentence."""

from __future__ import annotations

from dataclasses import dataclass

RUNS, ENGINES, DATASETS = "tests/vae/runs", "tests/vae/engines", "tests/vae/datasets"
UI, PAGES, BROWSER, DAMAGE = "tests/ui", "tests/pages", "tests/browser", "tests/damage"


@dataclass(frozen=True)
class Fault:
    """number: 1 to 36, or 0 for those that came later. tests: `file::function`; reason: why there is none."""

    number: int
    name: str
    tests: tuple[str, ...] = ()
    reason: str = ""


def _fault(number: int, name: str, *tests: str) -> Fault:
    return Fault(number, name, tests)


FAULTS = (
    # Runs and disk
    _fault(
        1,
        "killed during a save",
        f"{RUNS}/test_runs.py::test_twelve_kills_during_saves_corrupt_nothing",
        f"{RUNS}/test_runs.py::test_a_save_cut_short_anywhere_leaves_every_file_accepted",
        f"{RUNS}/test_start.py::test_what_killed_saves_left_goes_and_nothing_else",
    ),
    _fault(
        2,
        "disk full while it writes",
        f"{RUNS}/test_full_disk.py::test_a_disk_that_is_really_full_costs_nothing_that_was_there",
        f"{RUNS}/test_runs.py::test_a_full_disk_during_a_save_leaves_the_old_checkpoint_and_no_rubbish",
        f"{RUNS}/test_runs.py::test_an_append_that_finds_no_room_says_so",
        f"{RUNS}/test_start.py::test_the_engine_knows_of_a_full_disk_what_the_run_cannot_say",
        f"{ENGINES}/test_worker.py::test_a_full_disk_is_said_and_costs_nothing_that_was_there",
        f"{ENGINES}/test_worker.py::test_a_history_that_fills_the_disk_is_torn_and_then_mended",
    ),
    _fault(
        3,
        "too little disk before the start",
        f"{RUNS}/test_run_names.py::test_too_little_disk_is_refused_with_the_numbers",
        f"{ENGINES}/test_worker.py::test_too_little_disk_is_refused_before_anything_is_trained",
        f"{PAGES}/test_train.py::test_a_full_disk_is_said_in_the_form_and_no_folder_is_left",
    ),
    _fault(
        4,
        "files that are cut off",
        f"{RUNS}/test_runs.py::test_a_truncated_checkpoint_is_damaged",
        f"{RUNS}/test_run_files.py::test_held_out_images_that_are_flipped_or_cut_are_damaged",
        f"{DAMAGE}/test_damaged_folders.py::test_no_page_has_an_exception_box",
    ),
    _fault(
        5,
        "one flipped bit",
        f"{RUNS}/test_runs.py::test_one_flipped_byte_is_noticed_anywhere",
        f"{RUNS}/test_run_files.py::test_every_flipped_bit_of_a_config_is_noticed",
        f"{DAMAGE}/test_fuzz.py::test_changed_inputs_are_refused_in_a_sentence_or_within_bounds",
    ),
    _fault(
        6,
        "a pickle as a checkpoint",
        f"{RUNS}/test_runs.py::test_a_pickle_is_refused_and_its_code_not_run",
        f"{BROWSER}/test_own_model_browser.py::test_a_pickle_is_refused_on_the_page_and_leaves_nothing",
        f"{DAMAGE}/test_fuzz.py::test_changed_inputs_are_refused_in_a_sentence_or_within_bounds",
    ),
    _fault(
        7,
        "weights that do not fit",
        f"{RUNS}/test_runs.py::test_weights_that_do_not_fit_are_refused_by_name",
        f"{DAMAGE}/test_damaged_folders.py::test_no_route_has_a_500",
    ),
    _fault(
        8,
        "a newer version, another architecture",
        f"{RUNS}/test_runs.py::test_a_newer_format_is_listed_and_said_so",
        f"{RUNS}/test_runs.py::test_another_architecture_is_listed_and_said_so",
        f"{RUNS}/test_runs.py::test_a_setting_of_a_later_version_is_named",
    ),
    _fault(
        9,
        "a folder that is read-only or not there",
        f"{RUNS}/test_run_names.py::test_a_runs_folder_that_cannot_be_written_is_said_so",
        f"{RUNS}/test_start.py::test_a_folder_that_cannot_be_written_is_told_before_the_first_change",
        f"{PAGES}/test_train.py::test_a_read_only_folder_is_named_and_what_helps",
        f"{PAGES}/test_home.py::test_cold_and_empty_it_invites_to_train",
        f"{UI}/test_gate.py::test_an_unwritable_folder_still_gives_identities",
    ),
    _fault(
        10,
        "two that train one run",
        f"{RUNS}/test_runs.py::test_the_second_trainer_of_a_run_is_refused",
        f"{ENGINES}/test_worker.py::test_a_run_in_training_refuses_a_second_trainer",
        f"{ENGINES}/test_no_locks.py::test_of_two_workers_one_trains_and_a_killed_one_is_noticed",
    ),
    _fault(11, "a torn last line of a history", f"{RUNS}/test_runs.py::test_a_torn_last_line_is_skipped"),
    # Training
    _fault(
        12,
        "a worker killed in mid-epoch",
        f"{RUNS}/test_resume.py::test_killed_once_anywhere",
        f"{ENGINES}/test_engine.py::test_a_crash_is_resumed_once_from_the_saved_state",
        f"{ENGINES}/test_engine.py::test_a_killed_worker_is_resumed_and_its_neighbour_left_alone",
    ),
    _fault(13, "failing twice", f"{ENGINES}/test_engine.py::test_a_run_that_crashes_twice_has_failed"),
    _fault(
        14,
        "NaN in the loss",
        f"{ENGINES}/test_worker.py::test_divergence_keeps_the_last_good_checkpoint_and_can_be_continued",
        f"{PAGES}/test_train.py::test_an_early_divergence_is_not_blamed_on_the_learning_rate",
    ),
    _fault(
        15,
        "out of memory",
        f"{ENGINES}/test_worker.py::test_out_of_memory_names_a_batch_size_to_try",
        "tests/vae/training/test_size.py::test_more_than_the_machine_has_is_refused_at_once_with_the_numbers",
        "tests/vae/training/test_size.py::test_the_command_line_answers_each_in_one_sentence_within_little_memory",
        f"{PAGES}/test_train.py::test_a_network_that_no_machine_has_room_for_is_a_sentence_and_never_built",
        f"{PAGES}/test_map.py::test_a_run_of_a_thousand_million_dimensions_is_a_sentence_at_once",
    ),
    _fault(
        16,
        "a worker that hangs",
        f"{ENGINES}/test_engine.py::test_a_suspended_worker_is_noticed",
        f"{ENGINES}/test_engine.py::test_a_worker_that_never_speaks_is_noticed",
    ),
    _fault(
        17,
        "stop in every state",
        f"{ENGINES}/test_engine.py::test_stop_while_training_and_again_and_continue",
        f"{ENGINES}/test_engine.py::test_stop_in_the_queue",
        f"{ENGINES}/test_engine.py::test_a_worker_that_ignores_stop_is_killed",
    ),
    _fault(
        18,
        "the server killed",
        f"{ENGINES}/test_engine.py::test_workers_end_when_the_server_is_killed",
        f"{RUNS}/test_start.py::test_what_a_killed_server_left_waiting_goes_on_or_is_as_it_was_interrupted",
    ),
    _fault(
        19,
        "Ctrl-C with pages open",
        f"{BROWSER}/test_app_browser.py::test_seven_tabs_at_once_stay_alive_and_ctrl_c_ends_everything",
        "tests/vae/test_command_line.py::test_ctrl_c_saves_and_stops",
    ),
    _fault(
        20,
        "a stale process id",
        f"{ENGINES}/test_engine.py::test_a_stale_status_is_detected",
        f"{RUNS}/test_runs.py::test_a_dead_worker_is_interrupted_whoever_has_its_process_id_now",
    ),
    _fault(
        21,
        "thirty submissions on two slots",
        f"{ENGINES}/test_engine.py::test_thirty_submissions_on_two_slots",
        f"{ENGINES}/test_engine.py::test_fair_order_serves_the_owner_whose_turn_is_longest_ago",
        f"{PAGES}/test_train.py::test_the_queue_is_told",
    ),
    _fault(
        22,
        "two runs of one name",
        f"{RUNS}/test_run_names.py::test_runs_of_one_name_created_at_once_get_folders_of_their_own",
        f"{ENGINES}/test_engine.py::test_two_runs_of_one_name_and_names_from_everywhere",
    ),
    _fault(
        23,
        "one config and seed twice",
        f"{RUNS}/test_resume.py::test_one_config_and_seed_give_one_history_whoever_watches",
    ),
    # Input
    _fault(
        24,
        "hostile run names",
        f"{RUNS}/test_run_names.py::test_hostile_names_stay_inside_and_can_be_found_again",
        f"{RUNS}/test_run_names.py::test_a_name_from_a_url_never_leaves_the_folder",
        f"{PAGES}/test_train.py::test_hostile_run_names_stay_outside",
    ),
    _fault(
        25,
        "Markdown, HTML, formulas in texts",
        f"{BROWSER}/test_texts_browser.py::test_texts_of_strangers_stay_texts_on_every_page",
        f"{PAGES}/test_train.py::test_what_stands_in_a_history_is_no_markdown",
        f"{PAGES}/test_suspects.py::test_names_of_others_are_text",
        f"{PAGES}/test_diagnose.py::test_texts_of_others_are_no_markup",
        f"{PAGES}/test_map.py::test_class_names_are_text_in_figures_and_tables",
        "tests/test_csv_cells.py::test_no_cell_begins_as_a_formula_does",
    ),
    _fault(
        26,
        "addresses of rubbish",
        f"{PAGES}/test_train.py::test_unknown_parameters_are_left_out_with_a_notice",
        f"{PAGES}/test_map.py::test_what_the_address_cannot_mean_is_left_out_and_said",
        f"{UI}/live/test_codes.py::test_wrong_questions_are_refused_in_a_sentence",
        f"{DAMAGE}/test_fuzz.py::test_changed_inputs_are_refused_in_a_sentence_or_within_bounds",
    ),
    _fault(
        27,
        "uploads that are no pictures, or too large",
        f"{UI}/live/test_map.py::test_what_is_no_picture_is_refused",
        f"{UI}/own/test_drops.py::test_too_much_is_refused_and_what_came_before_is_gone",
        f"{UI}/test_gate.py::test_uploads_are_closed",
        f"{UI}/test_app.py::test_streamlits_uploads_are_closed",
    ),
    _fault(
        28,
        "broken PNGs",
        f"{DATASETS}/test_pictures.py::test_a_flipped_bit_of_the_pixels_is_noticed_wherever_it_lies",
        f"{DATASETS}/test_pictures.py::test_what_is_no_picture_is_refused_in_a_sentence",
    ),
    _fault(
        29,
        "decompression bombs",
        f"{DATASETS}/test_pictures.py::test_what_is_no_picture_is_refused_in_a_sentence",
        f"{DATASETS}/test_layouts.py::test_a_small_file_that_expands_without_end_costs_milliseconds",
        f"{RUNS}/test_run_files.py::test_arrays_are_bounded_before_they_are_expanded",
    ),
    _fault(
        30,
        "odd pictures and arrays",
        f"{DATASETS}/test_pictures.py::test_every_kind_of_png_gives_its_grey_levels",
        f"{DATASETS}/test_pictures.py::test_jpegs_also_in_the_colours_of_print",
        f"{DATASETS}/test_pictures.py::test_nothing_at_all_is_black_rotation_is_applied_the_first_of_several_counts",
        f"{DATASETS}/test_layouts.py::test_bad_layouts_give_one_sentence",
        f"{DATASETS}/test_files.py::test_bad_file_gives_one_sentence",
    ),
    _fault(
        31,
        "hostile zips",
        f"{DATASETS}/own/test_readers.py::test_a_hostile_zip_is_refused_before_anything_is_read",
        f"{DATASETS}/own/test_readers.py::test_a_hundred_thousand_files_are_refused_by_the_directory",
        f"{DATASETS}/own/test_readers.py::test_a_zip_that_lies_about_sizes_reads_no_more_than_it_says",
        f"{DATASETS}/own/test_readers.py::test_totals_encryption_and_damage",
    ),
    _fault(
        32,
        "folders of images with holes",
        f"{DATASETS}/own/test_readers.py::test_a_folder_is_a_class_and_links_are_not_followed",
        f"{DATASETS}/own/test_readers.py::test_a_broken_picture_is_skipped_with_its_reason",
        f"{DATASETS}/own/test_prepare.py::test_the_report_counts_what_was_made",
        f"{DATASETS}/own/test_prepare.py::test_what_cannot_be_a_dataset_is_refused_and_leaves_nothing",
    ),
    _fault(
        33,
        "downloads that fail",
        f"{DATASETS}/test_downloads.py::test_offline_tells_the_set_the_host_and_the_way_by_hand",
        f"{DATASETS}/test_downloads.py::test_silent_and_broken_servers_end_in_a_sentence",
        f"{DATASETS}/test_downloads.py::test_wrong_checksum_is_refused_and_leaves_nothing",
        f"{DATASETS}/test_downloads.py::test_killed_half_way_heals_at_the_next_try",
        f"{DATASETS}/test_downloads.py::test_five_at_once_download_once",
    ),
    _fault(
        34,
        "codes without a layout",
        "tests/vae/space/test_projections.py::test_codes_without_a_layout_are_explained",
        "tests/vae/space/test_projections.py::test_a_perplexity_that_needs_more_points_says_how_many",
    ),
    # Shared server
    _fault(
        35,
        "two sessions",
        f"{BROWSER}/test_app_browser.py::test_another_tab_shows_the_same_run_and_another_browser_cannot_steer_it",
        f"{BROWSER}/test_class_browser.py::test_a_stranger_cannot_change_an_ownerless_run",
        f"{UI}/runs/test_owners.py::test_who_may_change_a_run",
        f"{PAGES}/test_images.py::test_another_visitors_images_are_neither_seen_nor_deleted",
        f"{UI}/test_app.py::test_a_deep_link_gets_the_same_page",
    ),
    _fault(
        36,
        "foreign sites and names, lost connections",
        f"{UI}/test_gate.py::test_a_foreign_host_is_refused",
        f"{UI}/test_gate.py::test_a_foreign_origin_is_refused_on_both_planes",
        f"{UI}/test_network.py::test_an_origin_that_cannot_be_read_is_refused_in_a_sentence",
        f"{UI}/live/test_live.py::test_a_foreign_origin_is_refused",
        f"{BROWSER}/test_explore_browser.py::test_it_goes_on_decoding_with_the_network_off_and_with_the_server_stopped",
    ),
    # Those that came later
    _fault(
        0,
        "any file of a run damaged in any way",
        f"{DAMAGE}/test_damaged_folders.py::test_home_shows_a_card_for_each",
        f"{DAMAGE}/test_damaged_folders.py::test_no_command_has_a_traceback",
    ),
    _fault(
        0,
        "a damaged neighbour",
        f"{DAMAGE}/test_damaged_folders.py::test_a_sound_run_is_shown_beside_all_of_them",
        f"{PAGES}/test_compare.py::test_a_config_that_cannot_be_read_hides_no_other_run",
        f"{PAGES}/test_terms.py::test_a_damaged_run_does_not_hide_the_others",
    ),
    _fault(
        0,
        "forty-five that wait for codes",
        f"{UI}/live/test_limiters.py::test_forty_five_tabs_wait_for_codes_and_nobody_else_does",
    ),
    _fault(
        0,
        "messages of rubbish on the live connection",
        f"{UI}/live/test_live.py::test_what_is_no_wish_is_answered_by_a_sentence",
        f"{UI}/live/test_live.py::test_a_message_that_is_too_long_ends_the_connection",
        f"{DAMAGE}/test_fuzz.py::test_changed_inputs_are_refused_in_a_sentence_or_within_bounds",
    ),
    _fault(0, "two loops of one name", f"{RUNS}/test_log.py::test_two_loops_of_one_name_are_two_runs"),
    _fault(0, "a loop that hangs", f"{RUNS}/test_strange_loops.py::test_a_loop_that_hangs_keeps_its_run_until_it_ends"),
    _fault(
        0,
        "a loop that writes NaN",
        f"{RUNS}/test_log.py::test_bad_values_in_later_steps_are_one_warning",
        f"{RUNS}/test_strange_loops.py::test_a_loop_that_tells_nothing_but_nan_is_shown",
    ),
    _fault(0, "a million lines", f"{RUNS}/test_strange_loops.py::test_a_million_lines_are_shown_from_their_end"),
    _fault(
        0,
        "a loop of another version",
        f"{RUNS}/test_strange_loops.py::test_lines_of_a_later_version_are_read_and_a_later_format_is_said_so",
    ),
    _fault(
        0,
        "bundles of strangers",
        "tests/vae/exports/test_hostile_bundles.py::test_only_known_names_are_unpacked",
        "tests/vae/exports/test_hostile_bundles.py::test_a_signed_lie_is_one_sentence",
        "tests/vae/exports/test_hostile_bundles.py::test_bombs_are_judged_before_they_are_opened",
        f"{DAMAGE}/test_fuzz.py::test_changed_inputs_are_refused_in_a_sentence_or_within_bounds",
    ),
    _fault(
        0,
        "texts of others in a page that is taken along",
        "tests/vae/exports/test_offline_page.py::test_the_texts_of_a_user_stay_texts",
        "tests/vae/exports/test_offline_page.py::test_nothing_in_it_points_outside",
    ),
    _fault(
        0,
        "wrong codes and strange cookies at the door",
        f"{UI}/room/test_door.py::test_strange_cookies_and_forms_let_nobody_in",
        f"{UI}/room/test_door.py::test_wrong_codes_are_limited_by_address_and_in_all",
    ),
)

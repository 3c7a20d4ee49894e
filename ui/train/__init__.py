"""The Train page: its form, its controls, log p(x) beside the curves.

form more_settings summary           the form: a dataset and a button, the rest one click behind, what will be trained
form_values answers copied_settings  what the form holds, what it means, what another run fills it with
controls undo pace                   buttons and knobs of a run; C taken back; how fast it is shown
advice halves                        sentences under a run; which half trains
evidence_track evidence_panel        log p(x) measured in a thread, and shown
"""

package dev.edgekit.demo;

import android.view.View;

/** What is shown for one kind of model. */
interface Screen {
    /** Something typed that a model answers, away from the main thread. */
    interface Question {
        String answer(OpenModel model);
    }

    /** What to show. */
    View view();

    /** What stands in the fields now. */
    Question question();

    /** Shows the newest answer. */
    void show(String answer);
}

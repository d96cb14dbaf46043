package dev.edgekit.demo;

import android.content.Context;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.EditText;
import android.widget.TextView;
import dev.edgekit.core.Contract;
import dev.edgekit.core.Post;

/** A text, and its likeliest labels. */
final class ClassificationScreen implements Screen {
    private static final int LABELS = 5;

    private final View view;
    private final EditText text;
    private final EditText pair;
    private final TextView labels;

    ClassificationScreen(LayoutInflater inflater, ViewGroup parent, Runnable changed) {
        view = inflater.inflate(R.layout.classification, parent, false);
        text = view.findViewById(R.id.text);
        pair = view.findViewById(R.id.pair);
        labels = view.findViewById(R.id.labels);
        text.addTextChangedListener(new OnEdit(changed));
        pair.addTextChangedListener(new OnEdit(changed));
    }

    @Override
    public View view() {
        return view;
    }

    @Override
    public Question question() {
        String first = text.getText().toString();
        String second = pair.getText().toString();
        return model -> lines(model.run(first, second.isEmpty() ? null : second), model.contract());
    }

    private String lines(float[] logits, Contract contract) {
        Context context = view.getContext();
        // regression has a label and no activation: its value is no probability
        boolean raw = contract.activation().equals("none");
        StringBuilder out = new StringBuilder();
        for (Post.Scored one : Post.top(logits, contract, LABELS)) {
            out.append(out.length() == 0 ? "" : "\n")
                    .append(raw
                            ? context.getString(R.string.value, one.label(), one.score())
                            : context.getString(R.string.probability, one.label(), 100 * one.score()));
        }
        return out.toString();
    }

    @Override
    public void show(String answer) {
        labels.setText(answer);
    }
}

package dev.edgekit.demo;

import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.EditText;
import android.widget.TextView;
import dev.edgekit.core.Post;

/** Two sentences, and how near their embeddings are. */
final class SimilarityScreen implements Screen {
    private final View view;
    private final EditText first;
    private final EditText second;
    private final TextView cosine;

    SimilarityScreen(LayoutInflater inflater, ViewGroup parent, Runnable changed) {
        view = inflater.inflate(R.layout.similarity, parent, false);
        first = view.findViewById(R.id.first);
        second = view.findViewById(R.id.second);
        cosine = view.findViewById(R.id.cosine);
        first.addTextChangedListener(new OnEdit(changed));
        second.addTextChangedListener(new OnEdit(changed));
    }

    @Override
    public View view() {
        return view;
    }

    @Override
    public Question question() {
        String left = first.getText().toString();
        String right = second.getText().toString();
        return model -> view.getContext()
                .getString(R.string.cosine, Post.cosine(model.run(left, null), model.run(right, null)));
    }

    @Override
    public void show(String answer) {
        cosine.setText(answer);
    }
}

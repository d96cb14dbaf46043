package dev.edgekit.demo;

import android.app.Activity;
import android.content.res.AssetManager;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.view.ViewGroup;
import android.widget.RadioGroup;
import android.widget.TextView;
import dev.edgekit.core.Contract;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;

/** The only screen of the app: a runtime is chosen above, its model is used below. */
public final class MainActivity extends Activity {
    private Worker worker;
    private BundleStore store;
    private TestMemory memory;
    private ViewGroup place;
    private TextView status;
    private TextView latency;
    private Target target = Target.LITERT;
    private Screen screen;
    /** What the status says while nothing is wrong. */
    private String about = "";
    /** Read and written by the worker's thread alone. */
    private OpenModel model;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        place = findViewById(R.id.screen);
        status = findViewById(R.id.status);
        latency = findViewById(R.id.latency);
        worker = new Worker(new Handler(Looper.getMainLooper())::post);
        store = new BundleStore(packed(getAssets()), new File(getFilesDir(), "bundles"));
        memory = new SavedTestMemory(this);
        RadioGroup targets = findViewById(R.id.targets);
        targets.setOnCheckedChangeListener((group, id) -> open(Target.ofButton(id)));
        targets.check(target.button);
    }

    @Override
    protected void onDestroy() {
        worker.stop(this::closeModel);
        super.onDestroy();
    }

    /** Shows a runtime's model, once it is loaded and tested. */
    private void open(Target chosen) {
        target = chosen;
        screen = null;
        place.removeAllViews();
        latency.setText("");
        status.setText(R.string.opening);
        worker.submit(() -> load(chosen), this::opened, this::failed);
    }

    private OpenModel load(Target chosen) throws IOException {
        // two models at once might not fit
        closeModel();
        model = OpenModel.open(chosen, store, memory, threads());
        return model;
    }

    private void closeModel() {
        if (model != null) {
            OpenModel old = model;
            model = null;
            old.close();
        }
    }

    /** Half of the cores: a phone's small ones would hold up the large ones. */
    private static int threads() {
        return Math.max(1, Math.min(4, Runtime.getRuntime().availableProcessors() / 2));
    }

    private void opened(OpenModel now) {
        Contract contract = now.contract();
        String tested = now.tested().isEmpty() ? getString(R.string.tested_before) : now.tested();
        about = getString(R.string.opened, contract.name(), contract.recipe(),
                contract.modelBytes() / 1e6, tested);
        status.setText(about);
        screen = screenFor(contract);
        place.addView(screen.view());
        ask();
    }

    /** Outputs that no activation turns into scores of labels are embeddings. */
    private Screen screenFor(Contract contract) {
        boolean embeds = contract.activation().equals("none") && contract.labels().isEmpty();
        return embeds
                ? new SimilarityScreen(getLayoutInflater(), place, this::ask)
                : new ClassificationScreen(getLayoutInflater(), place, this::ask);
    }

    /** Answers what stands in the fields. */
    private void ask() {
        if (screen == null) { // the fields of a model that is gone
            return;
        }
        Screen.Question question = screen.question();
        worker.submit(() -> answer(question), this::answered, this::failed);
    }

    /** An answer, and the latency up to it. */
    private String[] answer(Screen.Question question) {
        String answer = question.answer(model);
        Latency times = model.latency();
        return new String[] {
            answer, getString(R.string.latency, times.count(), times.median(), model.threads())
        };
    }

    private void answered(String[] said) {
        status.setText(about); // an earlier error is over
        screen.show(said[0]);
        latency.setText(said[1]);
    }

    private void failed(Throwable error) {
        status.setText(Sentences.of(this, target, error));
    }

    private static AssetSource packed(AssetManager assets) {
        return new AssetSource() {
            @Override
            public String[] list(String folder) throws IOException {
                return assets.list(folder);
            }

            @Override
            public InputStream open(String path) throws IOException {
                return assets.open(path);
            }
        };
    }
}

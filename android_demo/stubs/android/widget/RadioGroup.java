package android.widget;

/** Stand-in for type checking, never packed. */
public class RadioGroup extends LinearLayout {
    public void check(int id) {
        throw new UnsupportedOperationException("stub");
    }

    public void setOnCheckedChangeListener(OnCheckedChangeListener listener) {
        throw new UnsupportedOperationException("stub");
    }

    public interface OnCheckedChangeListener {
        void onCheckedChanged(RadioGroup group, int checked);
    }
}

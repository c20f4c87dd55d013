// Runs the vectors of Cauchy on a Java function, without a JSON library.
// java Consumer.java reflosses/data/vectors/cauchy.json
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Consumer {
    static boolean wrong; // a second argument: log(1 + u) where log1p(u) keeps its digits

    static double value(double y, double yhat, double delta) {
        double u = Math.abs(yhat - y) / delta;
        if (u > 1e100) return 2 * delta * delta * (Math.log(Math.abs(yhat / 2 - y / 2) / delta) + Math.log(2));
        return delta * delta * (wrong ? Math.log(1 + u * u) : Math.log1p(u * u));
    }

    static double gradient(double y, double yhat, double delta) {
        double u = Math.abs(yhat - y) / delta;
        return u > 1e100 ? delta * (delta / (yhat / 2 - y / 2)) : 2 * (yhat - y) / (1 + u * u);
    }

    static double[] numbers(String line, String key) {
        Matcher found = Pattern.compile("\"" + key + "\": \"([^\"]*)\"").matcher(line);
        if (!found.find() || found.group(1).isEmpty()) return new double[0];
        return Arrays.stream(found.group(1).split(" ")).mapToDouble(Double::parseDouble).toArray();
    }

    static boolean isRight(double got, double want, double tolerance) {
        return got == want || Double.isNaN(got) && Double.isNaN(want) || Math.abs(got - want) <= tolerance;
    }

    public static void main(String[] args) throws Exception {
        wrong = args.length > 1;
        Pattern group = Pattern.compile("\\{\"parameters\": \\{\"delta\": ([^,]*), \"information\": null\\}, "
            + "\"reduction\": \"none\", \"format\": \"float64\".*");
        double delta = 0;
        int tests = 0, failed = 0;
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            Matcher ours = group.matcher(line);
            if (line.startsWith("{\"parameters\"")) delta = ours.matches() ? Double.parseDouble(ours.group(1)) : 0;
            if (delta == 0 || !line.startsWith("{\"id\"") || line.contains("\"MustRefuse\"")) continue;
            double[] y = numbers(line, "y"), yhat = numbers(line, "yhat"), weight = numbers(line, "weight");
            boolean bad = false;
            for (String what : new String[] {"value", "gradient"}) {
                double[] want = numbers(line, what), tolerance = numbers(line, what + "_tolerance");
                for (int i = 0; i < want.length; i++) { // no number: it is not asked
                    double w = weight.length == 0 ? 1 : weight[i];
                    double got = what.equals("value") ? value(y[i], yhat[i], delta) : gradient(y[i], yhat[i], delta);
                    bad |= !isRight(w == 0 ? 0 : w * got, want[i], tolerance[i]);
                }
            }
            if (bad) System.out.println("FAIL " + line.split("\"")[3]);
            tests++;
            failed += bad ? 1 : 0;
        }
        System.out.println(tests + " tests, " + failed + " failed");
        System.exit(failed > 0 || tests == 0 ? 1 : 0);
    }
}

"""Chips found in scenes, in QGIS: a script of the Processing toolbox that calls the command ``matcher locate``.

In QGIS: Processing toolbox, Scripts, "Add script to toolbox…", this file. The command is that of the environment that
matcher is installed in, such as ``/home/me/venv/bin/matcher``; QGIS's own Python needs nothing.
"""

import os
import subprocess

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingUtils,
)


class MatcherLocate(QgsProcessingAlgorithm):
    """Rasters in, outlines of the places found out, with their confidence."""

    def createInstance(self):
        return MatcherLocate()

    def name(self):
        return "matcherlocate"

    def displayName(self):
        return "Locate chips in scenes (matcher)"

    def shortHelpString(self):
        return "Finds where small rasters lie in large ones, and how sure that is. Their own position is not looked at."

    def initAlgorithm(self, _config=None):
        many = QgsProcessing.TypeRaster
        whole = QgsProcessingParameterNumber.Integer
        share = QgsProcessingParameterNumber.Double
        for parameter in (
            QgsProcessingParameterMultipleLayers("CHIPS", "Chips", many),
            QgsProcessingParameterMultipleLayers("SCENES", "Scenes", many),
            QgsProcessingParameterNumber("CONFIDENCE", "Least confidence", share, 0.5, False, 0, 1),
            QgsProcessingParameterNumber("CANDIDATES", "Places shown a chip", whole, 1, False, 1, 50),
            QgsProcessingParameterString("OPTIONS", "Further options", "", False, True),
            QgsProcessingParameterString("COMMAND", "The command", os.environ.get("MATCHER", "matcher")),
            QgsProcessingParameterVectorDestination("OUTPUT", "Places"),
            QgsProcessingParameterFileDestination("REPORT", "Page", "HTML (*.html)", None, True, False),
        ):
            self.addParameter(parameter)

    def processAlgorithm(self, parameters, context, feedback):
        chips, scenes = (
            [layer.source() for layer in self.parameterAsLayerList(parameters, name, context)]
            for name in ("CHIPS", "SCENES")
        )
        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        if not output.lower().endswith((".gpkg", ".geojson")):
            raise QgsProcessingException("Places are written as .gpkg or .geojson: choose one of them")
        page = self.parameterAsFileOutput(parameters, "REPORT", context)
        command = [
            self.parameterAsString(parameters, "COMMAND", context), "locate", *chips, "in", *scenes, "-o", output,
            "--min-confidence", str(self.parameterAsDouble(parameters, "CONFIDENCE", context)),
            "--candidates", str(self.parameterAsInt(parameters, "CANDIDATES", context)),
            *(["--report", page] if page else []),
            *self.parameterAsString(parameters, "OPTIONS", context).split(),
        ]  # fmt: skip
        feedback.pushCommandInfo(" ".join(command))
        # The command's Python is not QGIS's, which would be sent to QGIS's own packages by these.
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
        try:
            run = subprocess.Popen(
                command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise QgsProcessingException(f"{command[0]} cannot be started: {error}") from None
        with run:
            for line in run.stdout:
                feedback.pushInfo(line.rstrip())
                if feedback.isCanceled():
                    run.terminate()
        if run.returncode not in (0, 3, 5):  # 3: some were skipped; 5: none was found
            raise QgsProcessingException(f"matcher ended with {run.returncode}; its last words stand above")
        self.output = output
        return {"OUTPUT": output} | ({"REPORT": page} if page else {})

    def postProcessAlgorithm(self, context, _feedback):
        style = os.path.splitext(self.output)[0] + ".qml"
        layer = QgsProcessingUtils.mapLayerFromString(self.output, context)
        if layer is not None and os.path.exists(style):
            layer.loadNamedStyle(style)
        return {}
